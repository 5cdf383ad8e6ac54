import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EngineClient } from '../../../tui/src/repl/engine-client.ts'
import type { EvalAnswer } from '../../../tui/src/repl/protocol.ts'
import { cases } from './cases.ts'

const folder = fileURLToPath(new URL('fixtures', import.meta.url))

describe('the engine', () => {
  let printed = ''
  const engine = new EngineClient({
    onOutput: (_stream, text) => (printed += text),
    onEvent: () => undefined,
    onEnd: () => undefined,
  })

  beforeAll(() => engine.start({ cwd: folder, loadApp: false, eager: false, worker: 'later' }))
  afterAll(() => engine.close())

  test.each(cases)('$name', async ({ inputs, expected }) => {
    printed = ''

    let last: EvalAnswer | undefined
    for (const code of inputs) last = await engine.evaluate(code, { width: 80, colours: false }).answer

    expect(last !== undefined && expected(last, printed), JSON.stringify(last)).toBe(true)
  })
})
