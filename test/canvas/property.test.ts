import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Tq } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { type Canvas, evaluate } from './oracle.ts'
import { canvases, defineSteps, signatureOf } from './random.ts'

interface Handle {
  readonly results?: unknown
  get(options?: { readonly timeout?: number }): Promise<unknown>
}

/** Sends it and tells what it gave, in the words of the oracle. */
async function given(app: Tq, canvas: Canvas, pass: <T>(promise: Promise<T>) => Promise<T>): Promise<unknown> {
  const handle = await app.sendSignature<Handle>(signatureOf(app, canvas).data)
  const value = await pass(handle.get({ timeout: 60 }))
  return handle.results === undefined ? { one: value } : { many: value }
}

describe('random canvases give what a plain evaluation gives', () => {
  test('in memory', async () => {
    const { app, worker, pass } = bench()
    defineSteps(app)
    await worker()

    await fc.assert(
      fc.asyncProperty(canvases, async (canvas) => {
        expect(await given(app, canvas, pass)).toEqual(evaluate(canvas, undefined))
      }),
      { numRuns: 300 },
    )
  })

  test('eagerly', async () => {
    const { app } = bench()
    defineSteps(app)
    app.eager = true

    await fc.assert(
      fc.asyncProperty(canvases, async (canvas) => {
        expect(await given(app, canvas, (promise) => promise)).toEqual(evaluate(canvas, undefined))
      }),
      { numRuns: 100 },
    )
  })

  test('on SQLite', async () => {
    await agree(`sqlite://${join(temporaryFolder(), 'tq.db')}`)
  })

  test.skipIf(!requireService('redis'))('on Redis', async () => {
    await agree((await startRedis()).url)
  })
})

async function agree(url: string): Promise<void> {
  const app = new Tq('canvases', { broker: url, backend: url })
  onTestFinished(() => app.close())
  defineSteps(app)
  await app.startWorker({ hostname: 'w1@test' })

  await fc.assert(
    fc.asyncProperty(canvases, async (canvas) => {
      expect(await given(app, canvas, (promise) => promise)).toEqual(evaluate(canvas, undefined))
    }),
    { numRuns: 60 },
  )
}
