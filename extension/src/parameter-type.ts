/** A parameter's type as far as a prompt can use it; what only a type checker would know is `json`. */
export type ParameterType =
  | { readonly kind: 'number' | 'string' | 'boolean' | 'bigint' | 'date' | 'json' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'array'; readonly of: ParameterType }
  | { readonly kind: 'union'; readonly of: readonly ParameterType[] }

/** Reads a type as TypeScript writes it. `undefined` in a union is left out: that the parameter may be missing is said elsewhere. */
export function readType(text: string | undefined): ParameterType {
  const trimmed = unwrapped((text ?? '').trim())
  const members = splitUnion(trimmed).filter((one) => one !== 'undefined' && one !== 'void')
  const [only] = members
  if (only === undefined) return { kind: 'json' }
  if (members.length === 1) return readMember(only)
  const of = members.map((one) => readType(one))
  // What may be anything may be text, numbers and the rest too.
  return of.some((one) => one.kind === 'json' && members.includes('unknown')) ? { kind: 'json' } : { kind: 'union', of }
}

/** Whether `undefined` may stand there. */
export function allowsUndefined(text: string | undefined): boolean {
  return splitUnion(unwrapped((text ?? '').trim())).includes('undefined')
}

export function typeText(type: ParameterType): string {
  switch (type.kind) {
    case 'literal':
      return typeof type.value === 'string' ? `'${type.value}'` : String(type.value)
    case 'array':
      return type.of.kind === 'union' ? `(${typeText(type.of)})[]` : `${typeText(type.of)}[]`
    case 'union':
      return type.of.map(typeText).join(' | ')
    case 'date':
      return 'Date'
    case 'json':
      return 'JSON'
    default:
      return type.kind
  }
}

/** The values to choose from, where there are few: literals, `true` and `false`, `null`. */
export function choicesOf(type: ParameterType): readonly (string | number | boolean | null)[] | undefined {
  if (type.kind === 'boolean') return [true, false]
  if (type.kind === 'literal') return [type.value]
  if (type.kind !== 'union') return undefined
  const choices = type.of.map(choicesOf)
  return choices.every((one) => one !== undefined) ? choices.flat() : undefined
}

const plain: Readonly<Record<string, ParameterType['kind'] & ('number' | 'string' | 'boolean' | 'bigint' | 'date')>> = {
  number: 'number',
  string: 'string',
  boolean: 'boolean',
  bigint: 'bigint',
  Date: 'date',
}

function readMember(text: string): ParameterType {
  const kind = Object.hasOwn(plain, text) ? plain[text] : undefined
  if (kind) return { kind }
  if (text === 'null' || text === 'true' || text === 'false') {
    return { kind: 'literal', value: text === 'null' ? null : text === 'true' }
  }
  if (/^-?\d[\d_.]*$/u.test(text)) return { kind: 'literal', value: Number(text.replaceAll('_', '')) }
  const quoted = /^(?:'((?:[^'\\])*)'|"((?:[^"\\])*)")$/u.exec(text)
  if (quoted) return { kind: 'literal', value: quoted[1] ?? quoted[2] ?? '' }
  const list = /^(?:readonly\s+)?(.+)\[\s*\]$/su.exec(text)?.[1] ?? /^(?:Readonly)?Array<(.+)>$/su.exec(text)?.[1]
  // `A<x>[]` and `(a | b)[]` are lists, `{ a: x[] }` and `[a, b][]`'s first bracket are none of ours to split.
  if (list !== undefined && isWhole(list)) return { kind: 'array', of: readType(list) }
  return { kind: 'json' }
}

function unwrapped(text: string): string {
  return text.startsWith('(') && text.endsWith(')') && isWhole(text.slice(1, -1)) && !text.includes('=>')
    ? unwrapped(text.slice(1, -1).trim())
    : text
}

/** Whether brackets close only what was opened in the same text. */
function isWhole(text: string): boolean {
  let depth = 0
  for (const { open } of bracketsOf(text)) {
    depth += open ? 1 : -1
    if (depth < 0) return false
  }
  return depth === 0
}

function splitUnion(text: string): readonly string[] {
  const bars: number[] = []
  let depth = 0
  for (const { open, at, bar } of bracketsOf(text, true)) {
    if (bar) {
      if (depth === 0) bars.push(at)
    } else depth += open ? 1 : -1
  }
  if (/=>/u.test(text)) return [text]
  const edges = [-1, ...bars, text.length]
  return edges
    .slice(1)
    .map((end, i) => text.slice((edges[i] ?? 0) + 1, end).trim())
    .filter((one) => one !== '')
}

function* bracketsOf(text: string, bars = false): Generator<{ open: boolean; at: number; bar: boolean }> {
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const one = text.charAt(at)
    if (quote !== '') {
      if (one === '\\') at++
      else if (one === quote) quote = ''
    } else if (one === '"' || one === "'" || one === '`') quote = one
    else if ('([{<'.includes(one)) yield { open: true, at, bar: false }
    else if (')]}'.includes(one) || (one === '>' && text.charAt(at - 1) !== '=')) yield { open: false, at, bar: false }
    else if (bars && one === '|') yield { open: false, at, bar: true }
  }
}
