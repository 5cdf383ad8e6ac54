import { expect, test } from 'vitest'
import { ContentRefusedError } from '../../runtime/src/core/errors.ts'
import { SerializerRegistry } from '../../runtime/src/serializers/serializer.ts'
import { decodeEnvelope } from '../../runtime/src/wire/envelope.ts'
import { compressionOf, decodeTask } from '../../runtime/src/wire/task-protocol.ts'
import { envelopeText, redisRecordings } from '../wire/recordings.ts'

const registry = new SerializerRegistry(['json', 'yaml', 'msgpack'])
const odd = redisRecordings().filter(({ scenario }) => /compression|serializer|gzip/.test(scenario))

function read(scenario: string): readonly unknown[] {
  const message = odd.find((one) => one.scenario === scenario)?.sent[0]?.message ?? expect.unreachable(scenario)
  const { raw } = decodeEnvelope(envelopeText(message))
  return decodeTask({ ...raw, body: registry.decode(raw, compressionOf(raw.headers)) }).args
}

test.each(['brotli', 'bzip2', 'gzip', 'lzma', 'zlib', 'zstd'])('what Python compressed by %s is read', (name) => {
  expect(read(`compression_${name}`)).toEqual(['x'.repeat(5000)])
})

test('what Python made of yaml and msgpack is read, compressed or not', () => {
  expect(read('serializer_yaml')).toEqual([1, 1.5, 's', true, null, [1], { a: 1 }])
  expect(read('serializer_msgpack')).toEqual([1, 1.5, 's', true, null, [1], { a: 1 }])
  expect(read('gzip_msgpack')).toEqual(['x'.repeat(5000)])
})

test('what Python pickled is refused', () => {
  expect(() => read('serializer_pickle')).toThrow(ContentRefusedError)
})

test('every recording with bytes of its own is one of these', () => {
  expect(odd.map(({ scenario }) => scenario).toSorted()).toEqual([
    'compression_brotli',
    'compression_bzip2',
    'compression_gzip',
    'compression_lzma',
    'compression_zlib',
    'compression_zstd',
    'gzip_msgpack',
    'serializer_json_types',
    'serializer_msgpack',
    'serializer_pickle',
    'serializer_yaml',
  ])
})
