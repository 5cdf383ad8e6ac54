import { randomId } from '../core/id.ts'
import { type SignatureData, withArgs } from '../core/signature.ts'
import type { AsyncResult, ResultSource } from './async-result.ts'
import { GroupResult } from './group-result.ts'
import { normalise } from './normal-form.ts'

/** Runs one task here; `source` reads what such runs leave. */
export interface AppliedBy {
  runTask(task: SignatureData): Promise<AsyncResult<unknown>>
  readonly source: ResultSource
}

type Ended = AsyncResult<unknown> | GroupResult<unknown[]>

/**
 * Runs a canvas here, step by step, whatever the app's mode: what a chain's step gives goes to the next one, what a header gives to the
 * body. Ends with the handle of the step that failed, and rejects with the error of a header's part. Callbacks are sent as ever.
 * Source: celery/canvas.py, apply() of each kind.
 */
export function applyCanvas(by: AppliedBy, signature: SignatureData): Promise<Ended> {
  return run(by, normalise(signature))
}

async function run(by: AppliedBy, signature: SignatureData): Promise<Ended> {
  const { kind, parts = [], body } = signature
  switch (kind) {
    case 'task':
      return by.runTask(signature)
    case 'chain':
      return runChain(by, parts)
    case 'group':
      return runGroup(by, parts)
    case 'chord': {
      const header = await runGroup(by, parts)
      const values = await header.get()
      return body ? run(by, normalise(withArgs(body, [values]))) : header
    }
  }
}

async function runChain(by: AppliedBy, steps: readonly SignatureData[]): Promise<Ended> {
  const [first, ...rest] = steps
  if (!first) throw new TypeError('A chain needs at least one step.')
  let ended = await run(by, first)
  for (const step of rest) {
    const value: unknown = await ended.get({ propagate: false })
    if (!(await ended.successful())) return ended
    ended = await run(by, normalise(withArgs(step, [value])))
  }
  return ended
}

async function runGroup(by: AppliedBy, parts: readonly SignatureData[]): Promise<GroupResult<unknown[]>> {
  const members: AsyncResult<unknown>[] = []
  for (const part of parts) {
    const ended = await run(by, part)
    members.push(...('results' in ended ? ended.results : [ended]))
  }
  return new GroupResult(by.source, randomId(), members)
}
