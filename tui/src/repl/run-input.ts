import { types } from 'node:util'
import type { Evaluated, Evaluator } from './evaluator.ts'
import { swapDeclaration } from './translate.ts'

/**
 * One rule: a promise is awaited, however it came about. Ending runaway code also drops every microtask that was waiting
 * behind it, so the input starts in a turn of its own, when all that waits for it has been wired up; hence no `async` here.
 */
export function runInput(evaluator: Evaluator, js: string, number: number, signal: AbortSignal): Promise<Evaluated> {
  const done = Promise.withResolvers<Evaluated>()
  signal.addEventListener('abort', () => done.resolve({ kind: 'terminated' }), { once: true })
  setImmediate(() => void work(evaluator, js, number).then(done.resolve, done.reject))
  return done.promise
}

async function work(evaluator: Evaluator, js: string, number: number): Promise<Evaluated> {
  let source = js
  for (let tries = 0; ; tries++) {
    const evaluated = await evaluator.evaluate(source, number)
    const swapped = evaluated.kind === 'thrown' && evaluated.compiling ? swapFor(source, evaluated.error) : undefined
    if (swapped === undefined || tries === 20) return evaluated.kind === 'value' ? settle(evaluated.value) : evaluated
    source = swapped
  }
}

async function settle(value: unknown): Promise<Evaluated> {
  if (!types.isPromise(value)) return { kind: 'value', value }
  try {
    return { kind: 'value', value: await value }
  } catch (error) {
    return { kind: 'thrown', error, compiling: false }
  }
}

function swapFor(js: string, error: unknown): string | undefined {
  const name = /^Identifier '(.+)' has already been declared$/u.exec(error instanceof Error ? error.message : '')?.[1]
  return name === undefined ? undefined : swapDeclaration(js, name)
}
