import { isUtf8 } from 'node:buffer'
import type * as Yaml from 'yaml'
import { DecodeError, EncodeError } from '../core/errors.ts'
import { loadPackage } from './load-optional.ts'
import { fromLibrary, toPlain } from './plain-value.ts'
import type { Serializer } from './serializer.ts'
import { readingTags, writingTags } from './yaml-tags.ts'

type Library = typeof Yaml

/**
 * kombu's `yaml`: YAML 1.1 as PyYAML's safe_load and safe_dump speak it. Dates and bytes go as YAML's own types (a date without
 * a time comes back as midnight UTC), sets come back as lists. Integers beyond 2^53 are read as BigInt, as in JSON. Tags of Python objects
 * are refused. Source: kombu/serialization.py, register_yaml.
 */
export function yamlSerializer(): Serializer {
  let library: Library | undefined
  const yaml = (): Library => {
    library ??= loadPackage('yaml') as Library // a module's shape is its package's word
    return library
  }
  return {
    name: 'yaml',
    contentType: 'application/x-yaml',
    contentEncoding: 'utf-8',
    encode: (value) => {
      const { Scalar, stringify } = yaml()
      const exponential = (number: number): unknown => Object.assign(new Scalar(number), { format: 'EXP' })
      const plain = toPlain(value, {
        number: (number) => (needsExponent(number) ? exponential(number) : number),
        bigint: (big) => big,
      })
      try {
        return Buffer.from(stringify(plain, writing).replace(lineBreaks, escaped), 'utf8')
      } catch (cause) {
        throw new EncodeError('', 'YAML cannot hold it.', { cause })
      }
    },
    decode: (bytes) => {
      if (!isUtf8(bytes)) throw new DecodeError('YAML text is not UTF-8.')
      return read(yaml(), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    },
  }
}

/** As in JSON: the digits of such a number alone would be read as an exact integer. */
function needsExponent(value: number): boolean {
  return Math.abs(value) > Number.MAX_SAFE_INTEGER ? Number.isFinite(value) : String(value).includes('e')
}

// PyYAML reads 1.1, where `yes`, `1:30`, `=` and `<<` are no texts unless they are quoted: all are. No folding, so that long texts
// stay one line; no anchors, since the same object twice is two values on the other side.
const writing = {
  version: '1.1',
  customTags: writingTags,
  defaultStringType: 'QUOTE_DOUBLE',
  defaultKeyType: 'QUOTE_DOUBLE',
  lineWidth: 0,
  aliasDuplicateObjects: false,
} as const

/** Line ends to PyYAML even inside quotes, and what it does not take at all; every text is quoted, so an escape fits wherever they are. */
const lineBreaks = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function read({ parseDocument }: Library, text: string): unknown {
  try {
    // Duplicate keys: the last one counts, as in PyYAML.
    const document = parseDocument(text, {
      version: '1.1',
      customTags: readingTags,
      intAsBigInt: true,
      uniqueKeys: false,
      logLevel: 'error',
      prettyErrors: false,
    })
    const [wrong] = [...document.errors, ...document.warnings]
    if (wrong) throw wrong
    return fromLibrary(document.toJS({ maxAliasCount: 100 }))
  } catch (cause) {
    throw new DecodeError(`Not YAML: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
