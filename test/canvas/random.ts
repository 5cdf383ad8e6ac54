import fc from 'fast-check'
import { chord, group, type Signature, type Tq } from '../../runtime/src/index.ts'
import type { Canvas } from './oracle.ts'

type AnyStep = Signature<never, unknown, unknown>

/** The canvas as a user would write it. */
export function signatureOf(app: Tq, canvas: Canvas): AnyStep {
  const all = (parts: readonly Canvas[]): AnyStep[] => parts.map((part) => signatureOf(app, part))
  switch (canvas.kind) {
    case 'add':
      return app.signature('c.add', [canvas.n])
    case 'wrap':
      return app.signature('c.wrap')
    case 'fixed':
      return app.signature('c.fixed', [canvas.n], { immutable: true })
    // What is drawn at random fits by the generator, not by its types.
    case 'chain':
      return all(canvas.parts).reduce((before, next) => before.pipe(next as never))
    case 'group':
      return group(all(canvas.parts), app)
    case 'chord':
      return chord(all(canvas.parts), signatureOf(app, canvas.body) as never)
  }
}

const leaf: fc.Arbitrary<Canvas> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), n: fc.nat(99) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'wrap' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fixed' as const), n: fc.nat(99) }) },
)

/** Canvases nested up to four deep. */
export const canvases: fc.Arbitrary<Canvas> = fc.letrec<{ canvas: Canvas }>((tie) => ({
  canvas: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'canvas', withCrossShrink: true },
    leaf,
    fc.record({ kind: fc.constant('chain' as const), parts: fc.array(tie('canvas'), { minLength: 1, maxLength: 4 }) }),
    fc.record({ kind: fc.constant('group' as const), parts: fc.array(tie('canvas'), { maxLength: 3 }) }),
    fc.record({
      kind: fc.constant('chord' as const),
      parts: fc.array(tie('canvas'), { maxLength: 3 }),
      body: tie('canvas'),
    }),
  ),
})).canvas
