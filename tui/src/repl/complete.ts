import { types } from 'node:util'
import type { Evaluator } from './evaluator.ts'
import type { Completion } from './protocol.ts'
import { isSignificant, scan, type ScanToken } from './scan.ts'
import { isTask } from './scope.ts'

/** Names that fit at `at`. The receiver of a member is evaluated only where that has no side effect: getters are not run. */
export async function complete(
  evaluator: Evaluator,
  code: string,
  at: number,
  preferred: readonly string[] = [],
): Promise<Completion> {
  const before = code.slice(0, at)
  const tokens = scan(before).tokens
  const last = tokens.at(-1)
  if (last !== undefined && (last.kind === 'string' || last.kind === 'comment' || last.kind === 'regex')) {
    return { names: [], from: at }
  }
  const significant = tokens.filter(isSignificant)
  const typed = last !== undefined && (last.kind === 'name' || last.kind === 'keyword') ? last : undefined
  const prefix = typed?.text ?? ''
  const from = typed?.start ?? at
  const rest = typed === undefined ? significant : significant.slice(0, -1)
  const dot = rest.at(-1)
  if (dot?.text === '.' || dot?.text === '?.') {
    const receiver = receiverBefore(before, rest.slice(0, -1))
    const found = receiver === undefined ? undefined : await evaluator.peek(`Object(${receiver})`)
    return { names: found === undefined ? [] : ranked(memberNames(found.value), prefix), from }
  }
  const hint = await callHint(evaluator, before, rest)
  if (typed === undefined) return { names: [], from, hint }
  return {
    names: ranked([...evaluator.lexicalNames(), ...preferred, ...memberNames(globalThis), ...words], prefix),
    from,
    hint,
  }
}

const words = [
  'await',
  'async',
  'class',
  'const',
  'delete',
  'export',
  'false',
  'for',
  'function',
  'import',
  'interface',
  'let',
  'new',
  'null',
  'return',
  'throw',
  'true',
  'type',
  'typeof',
  'undefined',
  'using',
  'while',
]

/** Text of the expression that ends before the dot: names, members, calls and indexes, back to where it must begin. */
function receiverBefore(text: string, tokens: readonly ScanToken[]): string | undefined {
  let start: number | undefined
  let wantsOperand = true
  for (let i = tokens.length - 1; i >= 0; i--) {
    const token = tokens[i]
    if (token === undefined) break
    if (wantsOperand && (token.text === ')' || token.text === ']')) {
      const opener = openerOf(tokens, i)
      if (opener === undefined) return undefined
      start = tokens[opener]?.start
      i = opener
      // `(…)` and `[…]` may stand alone, or belong to what is before them.
      const previous = tokens[i - 1]
      const belongs =
        previous !== undefined && (previous.kind === 'name' || previous.text === ')' || previous.text === ']')
      wantsOperand = belongs
      if (!belongs) break
    } else if (
      wantsOperand &&
      (token.kind === 'name' || token.kind === 'string' || token.kind === 'regex' || token.text === 'this')
    ) {
      start = token.start
      wantsOperand = false
    } else if (!wantsOperand && (token.text === '.' || token.text === '?.')) {
      wantsOperand = true
    } else break
  }
  return start === undefined ? undefined : text.slice(start, tokens.at(-1)?.end)
}

function openerOf(tokens: readonly ScanToken[], closer: number): number | undefined {
  const depth = tokens[closer]?.depth
  for (let i = closer - 1; i >= 0; i--) {
    const token = tokens[i]
    if (token !== undefined && token.depth === depth && (token.text === '(' || token.text === '[')) return i
  }
  return undefined
}

/** Signature of the task whose call the cursor stands in: `add(`, `add.delay(2, `. */
async function callHint(evaluator: Evaluator, text: string, tokens: readonly ScanToken[]): Promise<string | undefined> {
  let depth = 0
  for (let i = tokens.length - 1; i > 0; i--) {
    const token = tokens[i]
    if (token === undefined) return undefined
    if (token.text === ')' || token.text === ']' || token.text === '}') depth += 1
    if (token.text === '[' || token.text === '{') depth -= 1
    if (token.text !== '(' || depth-- > 0) continue
    const method = tokens[i - 2]?.text === '.' && callMethods.has(tokens[i - 1]?.text ?? '')
    const receiver = receiverBefore(text, tokens.slice(0, method ? i - 2 : i))
    const found = receiver === undefined ? undefined : await evaluator.peek(receiver)
    return found !== undefined && isTask(found.value) ? found.value.describe().signature : undefined
  }
  return undefined
}

const callMethods = new Set(['delay', 's', 'si', 'send'])

/** Own names first, then those of the prototypes, each level by the alphabet. */
function memberNames(value: unknown): readonly string[] {
  const names: string[] = []
  let object: unknown = value
  while ((typeof object === 'object' || typeof object === 'function') && object !== null && !types.isProxy(object)) {
    // A long array's own names are its indexes: useless here, and slow to list.
    if ((Array.isArray(object) && object !== Array.prototype) || ArrayBuffer.isView(object)) names.push('length')
    else names.push(...Object.getOwnPropertyNames(object).toSorted())
    object = Object.getPrototypeOf(object)
  }
  return names
}

function ranked(names: readonly string[], prefix: string): readonly string[] {
  const fitting = new Set(
    names.filter((name) => name.startsWith(prefix) && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)),
  )
  fitting.delete('tq$')
  if (!prefix.startsWith('__')) for (const name of fitting) if (name.startsWith('__')) fitting.delete(name)
  return [...fitting].slice(0, 200)
}
