import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EngineClient, EngineEndedError, type Evaluation } from '../../../tui/src/repl/engine-client.ts'
import type { EngineEvent, EvalAnswer } from '../../../tui/src/repl/protocol.ts'
import { withFixtureApp } from '../helpers/start.ts'

describe('the engine with an app', () => {
  const events: EngineEvent[] = []
  let printed = ''
  let onPrinted = Promise.withResolvers<void>()
  const engine = new EngineClient({
    onOutput: (_stream, text) => {
      printed += text
      onPrinted.resolve()
      onPrinted = Promise.withResolvers()
    },
    onEvent: (event) => events.push(event),
    onEnd: () => undefined,
  })
  const evaluation = (code: string): Evaluation => engine.evaluate(code, { width: 80, colours: false })
  const evaluate = (code: string): Promise<EvalAnswer> => evaluation(code).answer
  /** Resolves when the code says so: an interrupt before that would find nothing to interrupt. */
  const begun = async (code: string): Promise<Evaluation> => {
    printed = ''
    const running = evaluation(`console.log('begun'); ${code}`)
    while (!printed.includes('begun')) await onPrinted.promise
    return running
  }

  beforeAll(() => engine.start(withFixtureApp()))
  afterAll(() => engine.close())
  afterEach(() => events.splice(0))

  test.each(['while (true);', 'for (;;) await null', 'await 1; while (true);', 'await new Promise(() => undefined)'])(
    '%s is interrupted and the bindings stay',
    async (code) => {
      await evaluate('const kept = 41')
      const running = await begun(code)

      running.interrupt()

      expect(await running.answer).toMatchObject({ error: { kind: 'interrupted' } })
      expect(await evaluate('kept + 1')).toMatchObject({ text: '42' })
    },
  )

  test('an await that was given up survives a garbage collection', async () => {
    const running = await begun('await new Promise(() => undefined)')
    running.interrupt()
    await running.answer

    await evaluate('for (let i = 0; i < 300; i++) globalThis.junk = Array.from({ length: 10_000 }, (_, n) => ({ n }))')

    expect(await evaluate('1')).toMatchObject({ text: '1' })
  })

  test('an interrupt gives the prompt back and lets the task go on', async () => {
    const running = evaluation('never.delay()')
    while (!events.some((event) => event.event === 'state')) await new Promise((resolve) => setImmediate(resolve))

    running.interrupt()

    expect(await running.answer).toMatchObject({
      error: { kind: 'interrupted', text: expect.stringContaining('goes on') as unknown },
    })
    expect(await evaluate('typeof _.get')).toMatchObject({ text: "'function'" })
  })

  test('a rejection that nobody handles is told, and the engine lives', async () => {
    await evaluate('void Promise.reject(new Error("later"))')
    while (events.length === 0) await new Promise((resolve) => setImmediate(resolve))

    expect(events[0]).toMatchObject({
      event: 'unhandledRejection',
      text: expect.stringContaining('Error: later') as unknown,
    })
    expect(await evaluate('1')).toMatchObject({ text: '1' })
  })

  test('completes tasks, members and commands of values without running getters', async () => {
    await evaluate('const trap = { ran: false, get boom() { this.ran = true; return {} } }')

    expect(await completed('ad')).toMatchObject({ names: ['add'], from: 0 })
    expect(await completed('add.de')).toMatchObject({
      names: expect.arrayContaining(['delay', 'describe']) as unknown,
      from: 4,
    })
    expect(await completed('await fetch.na')).toMatchObject({ names: ['name'] })
    expect(await completed('[1, 2].ma')).toMatchObject({ names: ['map'] })
    expect(await completed('"ad')).toMatchObject({ names: [] })
    expect(await completed('trap.boom.')).toMatchObject({ names: [] })
    expect(await evaluate('trap.ran')).toMatchObject({ text: 'false' })
  })

  test.each(['add(', 'add.delay(2, ', 'await add.delay(Math.max(1, 2), '])('%s shows the parameters', async (code) => {
    expect(await completed(code)).toMatchObject({ hint: 'math.add(x: number, y: number): number' })
  })

  test.each([
    ['[3, 1, 2].sort()', '[ 1, 2, 3 ]'],
    ['new Date(0).getTime() + 1', '1'],
    ['JSON.parse("[1]")', '[ 1 ]'],
    ['globalThis.z = 1', undefined],
    ['const z = 1', undefined],
    ['add.delay(1, 1)', undefined],
    ['(() => { while (true); })()', undefined],
  ])('the preview of %s is %s', async (code, text) => {
    const { text: shown } = await engine.request({ op: 'preview', code, width: 80 })

    expect(shown).toBe(text)
    expect(await evaluate('typeof z')).toMatchObject({ text: "'undefined'" })
  })

  function completed(code: string): Promise<unknown> {
    return engine.request({ op: 'complete', code, at: code.length })
  }
})

test('process.exit in user code ends the engine with its code, and what was asked is refused', async () => {
  const ended = Promise.withResolvers<unknown>()
  const engine = new EngineClient({ onOutput: () => undefined, onEvent: () => undefined, onEnd: ended.resolve })
  await engine.start(withFixtureApp())
  await engine.evaluate('const a = 1, b = 2', { width: 80, colours: false }).answer

  const answer = engine.evaluate('process.exit(3)', { width: 80, colours: false }).answer

  await expect(answer).rejects.toThrow(EngineEndedError)
  expect(await ended.promise).toMatchObject({ code: 3, killed: false, bindings: 2 })
})
