import { readFileSync } from 'node:fs'
import type { Site } from './call-site.ts'

/** The parameters of a task as a person reads them, and how many a call must and may give. */
export interface ParameterList {
  /** `x: number, y?: number` from the source where it can be read, else `x, y` from the function itself. */
  readonly text: string
  readonly names: readonly string[]
  readonly required: number
  /** Infinity with a rest parameter. */
  readonly most: number
  /** `: number` where the source says what comes back, else empty. */
  readonly returns: string
}

/**
 * Reads the parameters of the function that `task()` was given at `site`. Types and optional parameters vanish when
 * TypeScript is stripped, so the source file is asked first; a function defined elsewhere, a bundle or a missing file
 * fall back to the function's own text, in which every parameter without a default counts as required.
 */
export function readParameters(fn: (...args: never[]) => unknown, site: Site | undefined): ParameterList {
  const text = fn.toString()
  // Built-in and `bind`-made functions show no parameters at all.
  if (/\{\s*\[native code\]\s*\}$/.test(text)) return unknownParameters(fn.length)
  return (site && fromSource(fn, site)) ?? parseFunction(text, 'operators') ?? unknownParameters(fn.length)
}

function fromSource(fn: (...args: never[]) => unknown, site: Site): ParameterList | undefined {
  let text: string
  try {
    text = readFileSync(site.file, 'utf8')
  } catch {
    return undefined
  }
  let start = 0
  for (let line = 1; line < site.line; line++) {
    start = text.indexOf('\n', start) + 1
    if (start === 0) return undefined
  }
  const own = parseFunction(fn.toString(), 'operators')
  // The file may have changed since it was loaded, or the line belongs to compiled code: names must agree.
  const agrees = (read: ParameterList | undefined): boolean => read?.names.join() === own?.names.join()
  const open = text.indexOf('(', start + Math.max(0, site.column - 1))
  if (open < 0) return undefined
  const args = splitTopLevel(text, open + 1, 'types')
  const last = args?.at(-1)
  const read = last === undefined ? undefined : parseFunction(last, 'types')
  return agrees(read) ? read : isMethod(fn) ? methodsOf(text, fn.name).find(agrees) : undefined
}

function isMethod(fn: (...args: never[]) => unknown): boolean {
  return (
    /^[\w$]+$/.test(fn.name) &&
    new RegExp(`^(?:async\\s+)?${fn.name.replaceAll('$', '\\$')}\\s*\\(`).test(fn.toString())
  )
}

/** The methods of this name in a file: a class task is registered elsewhere than its `run` stands. */
function methodsOf(text: string, name: string): readonly ParameterList[] {
  const places = text.matchAll(new RegExp(`(?<![\\w$.])${name.replaceAll('$', '\\$')}(?=\\s*[(<])`, 'g'))
  return [...places].flatMap(({ index }) => parseFunction(text.slice(index), 'types') ?? [])
}

/**
 * Texts between commas from `start` to the bracket that closes the call, undefined where none does. In TypeScript `<` opens
 * a list of types, whose commas do not count; in what was compiled it compares.
 */
function splitTopLevel(text: string, start: number, angles: Angles): readonly string[] | undefined {
  const parts: string[] = []
  let from = start
  let depth = 0
  let types = 0
  for (let i = start; i < text.length; i++) {
    const skipped = skipQuoted(text, i)
    if (skipped > i) {
      i = skipped
      continue
    }
    const ch = text[i]
    if (angles === 'types' && depth === 0 && ch === '<') types++
    else if (types > 0 && depth === 0 && ch === '>' && text[i - 1] !== '=') types--
    else if (ch === '(' || ch === '[' || ch === '{') depth++
    else if (ch === ')' || ch === ']' || ch === '}') {
      if (depth === 0) {
        const last = text.slice(from, i).trim()
        if (last !== '') parts.push(last)
        return parts
      }
      depth--
    } else if (ch === ',' && depth === 0 && types === 0) {
      parts.push(text.slice(from, i).trim())
      from = i + 1
    }
  }
  return undefined
}

/** End index of the string, template or comment that begins at `i`; `i` itself where none begins. */
function skipQuoted(text: string, i: number): number {
  const ch = text[i]
  if (ch === '"' || ch === "'" || ch === '`') {
    let end = i + 1
    while (end < text.length && text[end] !== ch) end += text[end] === '\\' ? 2 : 1
    return end
  }
  if (ch === '/' && text[i + 1] === '/') {
    const end = text.indexOf('\n', i)
    return end < 0 ? text.length : end
  }
  if (ch === '/' && text[i + 1] === '*') {
    const end = text.indexOf('*/', i + 2)
    return end < 0 ? text.length : end + 1
  }
  return i
}

type Angles = 'types' | 'operators'

function parseFunction(text: string, angles: Angles): ParameterList | undefined {
  const single = /^(?:async\s+)?([A-Za-z_$][\w$]*)\s*=>/.exec(text)
  if (single) return listOf([single[1] ?? ''], '')
  const name = /^(?:async\s+)?(?:function\s*\*?\s*[\w$]*\s*|\*?\s*[\w$]+\s*(?=[(<]))?/.exec(text)?.[0] ?? ''
  const start = afterTypeParameters(text, name.length)
  if (text[start - 1] !== '(') return undefined
  const parts = splitTopLevel(text, start, angles)
  if (!parts) return undefined
  const after = text.slice(start + bodyOffset(text, start))
  return listOf(parts, returnType(after))
}

/** Index behind the `(` that follows `<T extends (n: number) => void>`, or stands at `from` itself. */
function afterTypeParameters(text: string, from: number): number {
  let depth = 0
  for (let i = from; i < text.length; i++) {
    const ch = text[i]
    if (ch === '<') depth++
    else if (ch === '>' && text[i - 1] !== '=') depth--
    else if (depth === 0 && ch?.trim() !== '') return i + 1
  }
  return 0
}

/** `: { id: string }` of `): { id: string } => …`; empty where nothing is said. An object type of a `function` is told from its body by what follows it. */
function returnType(after: string): string {
  const colon = /^\)\s*:\s*/.exec(after)
  if (!colon) return ''
  let depth = 0
  for (let i = colon[0].length; i < after.length; i++) {
    const ch = after[i] ?? ''
    const said = after.slice(colon[0].length, i).trim()
    if (depth === 0 && (after.startsWith('=>', i) || (ch === '{' && said !== '' && !/[|&<,]$/.test(said)))) {
      return `: ${said.replace(/\s+/g, ' ')}`
    }
    if ('([{<'.includes(ch)) depth++
    else if (')]}>'.includes(ch) && after[i - 1] !== '=') depth--
  }
  return ''
}

function bodyOffset(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const skipped = skipQuoted(text, i)
    if (skipped > i) i = skipped
    else if ('([{'.includes(text[i] ?? '')) depth++
    else if (')]}'.includes(text[i] ?? '') && depth-- === 0) return i - start
  }
  return text.length - start
}

function listOf(parts: readonly string[], returns: string): ParameterList {
  const names: string[] = []
  const shown: string[] = []
  let required = 0
  let most = 0
  for (const part of parts) {
    const clean = part
      .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
    if (clean === '') continue
    const rest = clean.startsWith('...')
    const name = /^(?:\.\.\.)?([A-Za-z_$][\w$]*)/.exec(clean)?.[1] ?? (clean.startsWith('{') ? '{…}' : '[…]')
    const optional = rest || /^[\w$]+\s*\?/.test(clean) || /[^=!<>]=(?![=>])/.test(clean)
    names.push(name)
    shown.push(clean)
    if (rest) most = Infinity
    else most++
    if (!optional) required = names.length
  }
  return { text: shown.join(', '), names, required, most, returns }
}

function unknownParameters(length: number): ParameterList {
  const names = Array.from({ length }, (_, i) => `arg${i}`)
  return { text: names.join(', '), names, required: length, most: Infinity, returns: '' }
}

/** The list without its first parameter: what callers of a bound task see. */
export function withoutSelf(list: ParameterList): ParameterList {
  const split = (angles: Angles): readonly string[] => splitTopLevel(`${list.text})`, 0, angles) ?? []
  const typed = split('types')
  const parts = typed.length === list.names.length ? typed : split('operators')
  return {
    text: parts.slice(1).join(', '),
    names: list.names.slice(1),
    required: Math.max(0, list.required - 1),
    most: Math.max(0, list.most - 1),
    returns: list.returns,
  }
}
