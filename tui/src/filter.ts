import type { TaskView } from 'tq-runtime/monitor'

/** What is left of a list: all terms must hold. */
export type Filter = readonly Term[]

type Term = (row: Searchable, nowMs: number) => boolean

/** The fields of a row that can be searched; absent ones match nothing. */
export interface Searchable {
  readonly fields: Readonly<Partial<Record<FieldName, string>>>
  /** Searched by a word without a field. */
  readonly text: readonly string[]
  /** Epoch ms. */
  readonly atMs?: number | undefined
}

type FieldName = 'state' | 'name' | 'id' | 'worker' | 'queue' | 'args' | 'error' | 'result'

const fieldNames: readonly string[] = ['state', 'name', 'id', 'worker', 'queue', 'args', 'error', 'result']
const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * `state:FAILURE name:mail.* age:<1h word -word "two words"`. `*` stands for anything; a field's value is compared with the whole field
 * where it holds a `*` or the field is `state`, else looked for in it; case does not matter.
 */
export function parseFilter(text: string): Filter {
  const words = text.match(/-?(?:\w+:)?(?:"[^"]*"?|\S+)/gu) ?? []
  return words.flatMap((word) => {
    const isNegated = word.startsWith('-') && word.length > 1
    const term = termOf((isNegated ? word.slice(1) : word).replaceAll('"', ''))
    if (term === undefined) return []
    return [isNegated ? (row: Searchable, nowMs: number) => !term(row, nowMs) : term]
  })
}

export function matches(filter: Filter, row: Searchable, nowMs: number): boolean {
  return filter.every((term) => term(row, nowMs))
}

export function searchableTask(task: TaskView): Searchable {
  const { state, name, uuid, worker = '', queue = '', args, kwargs, exception = '', result = '' } = task
  return {
    fields: { state, name, id: uuid, worker, queue, args: `${args} ${kwargs}`, error: exception, result },
    text: [name, uuid, args, exception, state],
    atMs: task.order.timestampMs,
  }
}

function termOf(word: string): Term | undefined {
  const [, field = '', value = ''] = /^(\w+):(.*)$/su.exec(word) ?? []
  if (field === 'age') return ageTerm(value)
  if (fieldNames.includes(field)) {
    if (value === '') return undefined
    const test = testOf(value, field === 'state')
    return ({ fields }) => {
      const found = fields[field as FieldName] // one of fieldNames
      return found !== undefined && test(found)
    }
  }
  if (word === '') return undefined
  const test = testOf(word, false)
  return ({ text }) => text.some(test)
}

function testOf(value: string, isWhole: boolean): (text: string) => boolean {
  const wanted = value.toLowerCase()
  if (!wanted.includes('*')) {
    return isWhole ? (text) => text.toLowerCase().startsWith(wanted) : (text) => text.toLowerCase().includes(wanted)
  }
  const parts = wanted.split('*')
  return (text) => isGlob(text.toLowerCase(), parts)
}

// By hand: a pattern of many stars must not take exponential time.
function isGlob(text: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? ''
  const last = parts.at(-1) ?? ''
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= text.length - last.length
}

function ageTerm(value: string): Term | undefined {
  const [, sign = '<', number = '', unit = 's'] = /^([<>]?)(\d+)([smhd]?)$/u.exec(value) ?? []
  if (number === '') return undefined
  const limitMs = Number(number) * (unitMs[unit === '' ? 's' : unit] ?? 1000)
  return ({ atMs }, nowMs) => {
    if (atMs === undefined) return true
    return sign === '>' ? nowMs - atMs > limitMs : nowMs - atMs < limitMs
  }
}
