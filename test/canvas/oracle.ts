// What a canvas means, without a word of tq: tasks add, sum and list, and four ways to put them together.
export type Canvas =
  | { readonly kind: 'add'; readonly n: number }
  | { readonly kind: 'wrap' }
  | { readonly kind: 'fixed'; readonly n: number }
  | { readonly kind: 'chain'; readonly parts: readonly Canvas[] }
  | { readonly kind: 'group'; readonly parts: readonly Canvas[] }
  | { readonly kind: 'chord'; readonly parts: readonly Canvas[]; readonly body: Canvas }

type Step = Exclude<Canvas, { readonly kind: 'chain' | 'chord' }>

/** What it gives: one value, or the values of a group. */
export type Given = { readonly one: unknown } | { readonly many: readonly unknown[] }

/** What it gives when `input` is what ran before; undefined where nothing did. */
export function evaluate(canvas: Canvas, input: unknown): Given {
  let given: Given = { one: input }
  for (const step of stepsOf(canvas)) given = evaluateStep(step, 'one' in given ? given.one : given.many)
  return given
}

function evaluateStep(step: Step, input: unknown): Given {
  switch (step.kind) {
    case 'add':
      return { one: [step.n, total(input)] }
    case 'wrap':
      return { one: { got: input ?? null } }
    case 'fixed':
      return { one: step.n }
    case 'group':
      return {
        many: step.parts.map((part) => evaluate(part, input)).flatMap((one) => ('one' in one ? [one.one] : one.many)),
      }
  }
}

/** One after the other; an empty group at the very end is left out. */
function stepsOf(canvas: Canvas): readonly Step[] {
  const steps = [...spread(canvas)]
  while (steps.length > 1 && isEmpty(steps.at(-1))) steps.pop()
  return steps
}

function spread(canvas: Canvas): readonly Step[] {
  if (canvas.kind === 'chain') return canvas.parts.flatMap(spread)
  if (canvas.kind === 'chord') return [{ kind: 'group', parts: canvas.parts }, ...spread(canvas.body)]
  return [canvas]
}

function isEmpty(step: Step | undefined): boolean {
  return step?.kind === 'group' && step.parts.every((part) => stepsOf(part).every(isEmpty))
}

/** A number that depends on everything in the value and on its order. */
export function total(value: unknown): number {
  return JSON.stringify(value ?? null)
    .split('')
    .reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_003, 7)
}
