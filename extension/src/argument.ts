import json5 from 'json5'
import type { Messages } from './messages.ts'
import { type ParameterType, readType, typeText } from './parameter-type.ts'
import type { ArgumentValue } from './sidecar/protocol.ts'

/** An argument, or why the text is none. */
export type Parsed = { readonly value: ArgumentValue } | { readonly problem: string }

export interface ArgumentReader {
  readonly type: ParameterType
  /** What a person types: a message while it is not right. */
  read(text: string, nowMs: number): Parsed
}

/** Reads arguments of a parameter whose type is written `typeText`; undefined where the type is not known. */
export function argumentReader(type: string | undefined, messages: Messages): ArgumentReader {
  const parsed = readType(type)
  return { type: parsed, read: (text, nowMs) => readArgument(text, parsed, messages, nowMs) }
}

/** One argument of that type from what was typed. An empty text is an empty string where that is meant, else a problem. */
export function readArgument(text: string, type: ParameterType, messages: Messages, nowMs: number): Parsed {
  const trimmed = text.trim()
  if (trimmed === '' && type.kind !== 'string') return { problem: messages.required }
  switch (type.kind) {
    case 'number':
      return readNumber(trimmed, messages)
    case 'string':
      return readString(text)
    case 'boolean':
      return trimmed === 'true' || trimmed === 'false'
        ? json(trimmed === 'true')
        : { problem: messages.notABoolean(trimmed) }
    case 'bigint':
      return /^-?\d+n?$/u.test(trimmed)
        ? { value: { kind: 'bigint', digits: trimmed.replace('n', '') } }
        : { problem: messages.notAWhole(trimmed) }
    case 'date':
      return readDate(trimmed, messages, nowMs)
    case 'literal':
      return trimmed === String(type.value) || trimmed === typeText(type)
        ? json(type.value)
        : { problem: messages.notAChoice(trimmed, typeText(type)) }
    case 'union':
      return readUnion(text, type, messages, nowMs)
    case 'array':
      return readList(trimmed, type, messages)
    case 'json':
      return readJson(trimmed, type, messages)
    default:
      return type satisfies never
  }
}

/** Many arguments of one type, for a rest parameter: `1, 2, 3`. */
export function readRest(
  text: string,
  type: ParameterType,
  messages: Messages,
): { readonly values: readonly ArgumentValue[] } | { readonly problem: string } {
  if (text.trim() === '') return { values: [] }
  const of: ParameterType = type.kind === 'array' ? type : { kind: 'array', of: { kind: 'json' } }
  const parsed = readList(text.trim(), of, messages)
  if ('problem' in parsed) return parsed
  const list: unknown = parsed.value.kind === 'json' ? parsed.value.value : []
  return { values: (Array.isArray(list) ? list : []).map((value: unknown) => ({ kind: 'json', value })) }
}

/** As a person would have typed it. */
export function argumentText(argument: ArgumentValue): string {
  switch (argument.kind) {
    case 'json':
      return json5.stringify(argument.value)
    case 'date':
      return argument.iso
    case 'bigint':
      return `${argument.digits}n`
    case 'undefined':
      return 'undefined'
    default:
      return argument satisfies never
  }
}

function json(value: unknown): Parsed {
  return { value: { kind: 'json', value } }
}

function readNumber(text: string, messages: Messages): Parsed {
  const value = Number(text.replaceAll(/(?<=\d)_(?=\d)/gu, ''))
  if (Number.isFinite(value)) return json(value)
  return { problem: /^[+-]?(?:NaN|Infinity)$/u.test(text) ? messages.notFinite : messages.notANumber(text) }
}

/** Quotes are for those who like them, for spaces at the ends, and for the empty text of an optional parameter. */
function readString(text: string): Parsed {
  const trimmed = text.trim()
  if (!/^(["'])[^]*\1$/u.test(trimmed) || trimmed.length < 2) return json(text)
  try {
    const value: unknown = json5.parse(trimmed)
    return json(value)
  } catch {
    // Quotes that belong to the text: 'a' and 'b'.
    return json(text)
  }
}

function readDate(text: string, messages: Messages, nowMs: number): Parsed {
  const plain = text.replace(/^(["'])(.*)\1$/u, '$2')
  if (plain === 'now') return { value: { kind: 'date', iso: new Date(nowMs).toISOString() } }
  const time = /^[+-]?\d{4,6}-\d\d/u.test(plain) ? new Date(plain) : undefined
  if (!time || Number.isNaN(time.getTime())) return { problem: messages.notADate(text) }
  return { value: { kind: 'date', iso: time.toISOString() } }
}

/** Members that leave no doubt come first, text last: `5` is a number where both may stand, `'5'` is text. */
function readUnion(text: string, type: ParameterType & { kind: 'union' }, messages: Messages, nowMs: number): Parsed {
  const order = ['literal', 'boolean', 'number', 'bigint', 'date', 'array', 'json', 'string']
  const members = [...type.of].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
  let problem: string | undefined
  for (const member of members) {
    // A list without brackets is only one where nothing else may stand.
    if (member.kind === 'array' && !text.trim().startsWith('[')) continue
    const parsed = readArgument(text, member, messages, nowMs)
    if ('value' in parsed) return parsed
    problem ??= parsed.problem
  }
  if (type.of.every((one) => one.kind === 'literal')) {
    return { problem: messages.notAChoice(text.trim(), type.of.map(typeText).join(', ')) }
  }
  return { problem: text.trim() === '' ? (problem ?? messages.required) : messages.noType(typeText(type), text.trim()) }
}

function readList(text: string, type: ParameterType & { kind: 'array' }, messages: Messages): Parsed {
  if (text.startsWith('[')) return readJson(text, type, messages)
  const bracketed = readJson(`[${text}]`, type, messages)
  if ('value' in bracketed || type.of.kind !== 'string' || /["'[\]{}]/u.test(text)) return bracketed
  return json(text.split(',').map((one) => one.trim()))
}

function readJson(text: string, type: ParameterType, messages: Messages): Parsed {
  let value: unknown
  try {
    value = json5.parse(text)
  } catch (error) {
    return { problem: messages.notJson(reason(error)) }
  }
  const problem = fault(value, type, '', messages)
  return problem === undefined ? json(value) : { problem }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^JSON5: /u, '') : String(error)
}

/** What is wrong about a value, as far as its type is known here. */
function fault(value: unknown, type: ParameterType, path: string, messages: Messages): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return messages.notFinite
  const place = path === '' ? 'value' : path
  const wrong = (): string => messages.wrongType(place, typeText(type), kindName(value))
  switch (type.kind) {
    case 'number':
    case 'string':
    case 'boolean':
      return typeof value === type.kind ? undefined : wrong()
    case 'literal':
      return value === type.value ? undefined : wrong()
    case 'array': {
      if (!Array.isArray(value)) return path === '' ? messages.notAList : wrong()
      return firstFault(value.entries(), ([index, one]) => fault(one, type.of, `${path}[${index}]`, messages))
    }
    case 'union':
      return type.of.some((one) => fault(value, one, path, messages) === undefined) ? undefined : wrong()
    case 'bigint':
    case 'date':
    case 'json':
      if (typeof value !== 'object' || value === null) return undefined
      return firstFault(Object.entries(value), ([key, one]: [string, unknown]) =>
        fault(one, { kind: 'json' }, path === '' ? key : `${path}.${key}`, messages),
      )
    default:
      return type satisfies never
  }
}

function firstFault<T>(items: Iterable<T>, check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = check(item)
    if (found !== undefined) return found
  }
  return undefined
}

function kindName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value
}
