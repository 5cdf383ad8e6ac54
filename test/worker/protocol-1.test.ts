import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeEnvelope } from '../../runtime/src/wire/envelope.ts'
import { bench } from '../helpers/app.ts'

interface Recorded {
  readonly from: string
  readonly call: string
  readonly message: unknown
}

/** As Python's client put them into a Redis list. */
const recorded = JSON.parse(
  readFileSync(new URL('../serializers/fixtures/protocol-1.json', import.meta.url), 'utf8'),
) as readonly Recorded[]

test.each(recorded)('a message of protocol 1 runs: $call', async ({ message }) => {
  const one = bench({ acceptContent: ['json', 'yaml', 'msgpack'] })
  one.app.task('tq.echo', { params: ['n', 'text', 'k'] }, (n: number, text: string, k: unknown) => [n, text, k])
  one.app.task('tq.note', (value: unknown) => ({ noted: value }))
  const { raw } = decodeEnvelope(JSON.stringify(message))
  await one.worker()

  const transport = await one.app.connections.transport()
  await transport.publish([{ exchange: '', routingKey: 'celery', message: raw }])
  await one.rest()

  const echoed = [1, 'ż', [true, null]]
  expect(await one.pass(one.app.result('old-1').get())).toEqual(echoed)
  const body = Buffer.from(raw.body).toString()
  if (body.includes('note-1')) expect(await one.pass(one.app.result('note-1').get())).toEqual({ noted: echoed })
  expect(await transport.quarantine.list(10)).toEqual([])
})
