import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Tq } from '../../runtime/src/index.ts'
import { type Canvas, evaluate } from './oracle.ts'
import { canvases, signatureOf } from './random.ts'

const folder = join(import.meta.dirname, 'counterexamples')

/** Canvases that once gave something else than the oracle, shrunk; each file says where. They are replayed first, everywhere. */
export function counterexamples(): readonly Canvas[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { readonly canvas: Canvas }).canvas) // written below
}

/** Compares the kept counterexamples and `runs` random canvases with the oracle; a new counterexample is kept as a file. */
export async function checkCanvases(
  where: string,
  runs: number,
  give: (canvas: Canvas, run: number) => Promise<unknown>,
): Promise<void> {
  const examples = counterexamples()
  let run = 0
  const agrees = fc.asyncProperty(canvases, async (canvas) => {
    expect(await give(canvas, run++)).toEqual(evaluate(canvas, undefined))
  })
  const details = await fc.check(agrees, {
    numRuns: examples.length + runs,
    examples: examples.map((canvas) => [canvas] as const),
  })
  if (!details.failed) return
  const [canvas] = details.counterexample ?? []
  if (canvas) keep(where, canvas)
  throw new Error(fc.defaultReportMessage(details) ?? 'The property failed.', { cause: details.errorInstance })
}

/** Sends it and tells what it gave, in the words of the oracle. `pass` lets time pass. */
export async function given(
  app: Tq,
  canvas: Canvas,
  pass: <T>(promise: Promise<T>) => Promise<T> = (promise) => promise,
  sent?: () => Promise<void>,
): Promise<unknown> {
  const handle = await app.sendSignature<Handle>(signatureOf(app, canvas).data)
  await sent?.()
  const value = await pass(handle.get({ timeout: 300 }))
  return handle.results === undefined ? { one: value } : { many: value }
}

interface Handle {
  readonly results?: unknown
  get(options?: { readonly timeout?: number }): Promise<unknown>
}

function keep(where: string, canvas: Canvas): void {
  const text = JSON.stringify({ found: where, canvas }, null, 2)
  const name = createHash('sha1').update(JSON.stringify(canvas)).digest('hex').slice(0, 10)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${text}\n`)
}
