import type { Evaluator } from './evaluator.ts'
import { printPreview } from './print.ts'
import { isSignificant, scan } from './scan.ts'
import { translate } from './translate.ts'

/** The value of what is typed, where it can be had without side effects; one short line. */
export async function previewOf(evaluator: Evaluator, code: string, width: number): Promise<string | undefined> {
  const first = scan(code).tokens.find(isSignificant)
  if (first === undefined || statementWords.has(first.text)) return undefined
  const input = await translate(`(${code}\n)`)
  if (input.kind !== 'ready' || /\btq\$/u.test(input.js)) return undefined
  const peeked = await evaluator.peek(input.js)
  if (peeked === undefined || peeked.value === undefined || typeof peeked.value === 'function') return undefined
  return printPreview(peeked.value, width)
}

const statementWords = new Set([
  'const',
  'let',
  'var',
  'class',
  'function',
  'import',
  'export',
  'await',
  'throw',
  'return',
  'if',
  'for',
  'while',
  'do',
  'switch',
  'try',
  'async',
])
