import { types } from 'node:util'
import { isoTime } from '../core/iso-time.ts'

export { isoTime, parseIso } from '../core/iso-time.ts'

/**
 * The value as Python would print it: `{'a': [1, None, True]}`. For events, logs and the `argsrepr` header; Flower reads some
 * of it back as a Python literal. At most `maxLength` characters, the last three `...` when it was cut. Cycles and objects
 * that are no plain data are named in angle brackets; never throws. Source: celery/utils/saferepr.py (maxlen 1024).
 */
export function pythonRepr(value: unknown, maxLength = defaultMaxLength): string {
  if (typeof value === 'number' && maxLength >= maxNumberLength) return numberRepr(value)
  return written(maxLength, (out) => write(out, value))
}

/** Positional arguments as a Python tuple: `()`, `(1,)`, `(1, 'two')`. */
export function argsRepr(args: readonly unknown[], maxLength = defaultMaxLength): string {
  if (args.length === 2) {
    const [first, second] = args
    if (Number.isSafeInteger(first) && Number.isSafeInteger(second)) return `(${String(first)}, ${String(second)})`
  }
  return written(maxLength, (out) => {
    out.text = '('
    writeMembers(out, args)
    out.text += args.length === 1 ? ',)' : ')'
  })
}

/** Keyword arguments as a Python dict: `{}`, `{'k': 3}`. */
export function kwargsRepr(kwargs: Readonly<Record<string, unknown>>, maxLength = defaultMaxLength): string {
  return pythonRepr(kwargs, maxLength)
}

const defaultMaxLength = 1024

/** No number takes more characters. */
const maxNumberLength = 25

interface Output {
  text: string
  readonly maxLength: number
  /** Containers that are being written: a container inside itself is a cycle. */
  readonly open: unknown[]
}

function written(maxLength: number, fill: (out: Output) => void): string {
  const out: Output = { text: '', maxLength, open: [] }
  try {
    fill(out)
  } catch {
    // A getter or a proxy of the user's that throws: what was written so far still says something.
    out.text += '<unprintable>'
  }
  if (out.text.length <= maxLength) return out.text
  return `${out.text.slice(0, Math.max(0, maxLength - 3))}...`.slice(0, maxLength)
}

// Every container adds at least one character, so a text that is full also bounds the depth.
function write(out: Output, value: unknown): void {
  if (out.text.length > out.maxLength) return
  switch (typeof value) {
    case 'string':
      out.text += stringRepr(value, out.maxLength)
      return
    case 'number':
      out.text += numberRepr(value)
      return
    case 'bigint':
      out.text += value.toString()
      return
    case 'boolean':
      out.text += value ? 'True' : 'False'
      return
    case 'undefined':
      out.text += 'None'
      return
    case 'symbol':
      out.text += `<${String(value)}>`
      return
    case 'function':
      out.text += `<function ${value.name || 'anonymous'}>`
      return
    case 'object':
      if (value === null) out.text += 'None'
      else writeObject(out, value)
  }
}

function writeObject(out: Output, value: object): void {
  if (types.isDate(value)) {
    const time = value.getTime()
    out.text += Number.isNaN(time) ? '<invalid date>' : `'${isoTime(time)}'`
    return
  }
  if (types.isUint8Array(value)) {
    out.text += bytesRepr(value, out.maxLength)
    return
  }
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) {
    out.text += `<${className(value)}>`
    return
  }
  if (out.open.includes(value)) {
    out.text += isArray ? '[...]' : '{...}'
    return
  }
  out.open.push(value)
  out.text += isArray ? '[' : '{'
  if (isArray) writeMembers(out, value)
  else writeEntries(out, value)
  out.text += isArray ? ']' : '}'
  out.open.pop()
}

function writeMembers(out: Output, members: readonly unknown[]): void {
  for (let index = 0; index < members.length; index++) {
    if (out.text.length > out.maxLength) return
    if (index > 0) out.text += ', '
    write(out, members[index])
  }
}

function writeEntries(out: Output, entries: object): void {
  let isFirst = true
  for (const [key, value] of Object.entries(entries)) {
    if (out.text.length > out.maxLength) return
    out.text += `${isFirst ? '' : ', '}${stringRepr(key, out.maxLength)}: `
    isFirst = false
    write(out, value)
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

function className(value: object): string {
  const { constructor } = value
  return typeof constructor === 'function' && constructor.name ? constructor.name : 'object'
}

function numberRepr(value: number): string {
  if (Number.isFinite(value)) return String(value)
  if (Number.isNaN(value)) return 'nan'
  return value > 0 ? 'inf' : '-inf'
}

/** Python prefers single quotes, unless the text holds some and no double ones. Source: CPython, unicode_repr. */
function stringRepr(text: string, maxLength: number): string {
  const start = text.length > maxLength ? text.slice(0, maxLength + 1) : text
  if (!special.test(start)) return `'${start}'`
  const quote = start.includes("'") && !start.includes('"') ? '"' : "'"
  return quote + start.replace(specials, (char) => escaped(char, quote)) + quote
}

// Control characters, separators that Python does not print, lone surrogates, quotes and the backslash.
const special = /['"\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u
const specials = new RegExp(special, 'gu')

function escaped(char: string, quote: string): string {
  if (char === quote || char === '\\') return `\\${char}`
  if (char === "'" || char === '"') return char
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  if (char === '\t') return '\\t'
  const code = char.codePointAt(0) ?? 0
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

function bytesRepr(bytes: Uint8Array, maxLength: number): string {
  let text = "b'"
  for (const byte of bytes.subarray(0, maxLength)) {
    const isPrintable = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
    text += isPrintable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `${text}'`
}
