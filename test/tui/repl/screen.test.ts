import { afterEach, describe, expect, test } from 'vitest'
import type { StartOptions } from '../../../tui/src/repl/protocol.ts'
import { ReplOnScreen } from '../helpers/screen.ts'
import { withFixtureApp, withoutApp } from '../helpers/start.ts'

describe('the REPL on a screen', () => {
  let repl: ReplOnScreen | undefined

  async function started(
    start: StartOptions = withFixtureApp(),
    size: { columns?: number; rows?: number; colours?: boolean } = {},
  ): Promise<ReplOnScreen> {
    repl = new ReplOnScreen(start, size)
    await repl.until(/^(?:embedded|eager|ts)>/mu)
    return repl
  }

  afterEach(async () => {
    await repl?.leave()
  })

  test('shows the banner, a followed result, an assignment and its value', async () => {
    const shown = await started(withFixtureApp({ worker: 'now' }), { columns: 120 })

    await shown.until('worker w1 started (ephemeral)')
    await shown.enter('add.delay(2, 2)', / ms · worker/u)
    await shown.enter('const r = await add.delay(2, 3)', /2, 3\)\n(?:.*\n)?embedded>$/u)
    await shown.enter('await r.get()', /^5$/mu)
    await shown.enter('.eager', 'eager>')

    expect(masked(shown)).toMatchInlineSnapshot(`
      "printed while loading
      tq · app "shop" (src/app.ts) · broker embedded · 3 tasks · worker w1 started (ephemeral)      .help, add? or .examples
      embedded> add.delay(2, 2)
      4                                   N ms · worker w1 · xxxxxx
      embedded> const r = await add.delay(2, 3)
      embedded> await r.get()
      5
      embedded> .eager
      Tasks run here, now. .worker sends them to a worker again.
      eager>"
    `)
  })

  test('gathers a block, indents it, and gives it back as a whole', async () => {
    const shown = await started(withoutApp())

    await shown.enter('const twice = (x: number) => {', '  …')
    await shown.enter('return 2 * x', /return 2 \* x\n/u)
    await shown.enter('}', /\}\nts>$/u)
    await shown.enter('twice(21)', /^42$/mu)
    shown.type('\u001b[A\u001b[A')
    await shown.until(/42\nts> const twice/u)

    expect(masked(shown)).toMatchInlineSnapshot(`
      "tq · no app · TypeScript only      .help
      ts> const twice = (x: number) => {
        …   return 2 * x
        … }
      ts> twice(21)
      42
      ts> const twice = (x: number) => {
        …   return 2 * x
        … }"
    `)
  })

  test('colours what is typed, underlines the pair at the cursor and puts the real cursor behind it', async () => {
    const shown = await started()

    shown.type("await add.delay('日本', 2)")
    await shown.until((screen) => screen.text().endsWith('2)') && screen.cursor().x === 36)

    const y = shown.screen.lines().length - 1
    expect([shown.screen.lines()[y], shown.screen.styles(y)]).toMatchInlineSnapshot(`
      [
        "embedded> await add.delay('日本', 2)",
        "..........55555.bbb......u2222..3u",
      ]
    `)
  })

  test('without colours only underline and bold are left', async () => {
    const shown = await started(withFixtureApp(), { colours: false })

    shown.type("await add.delay('x', 2)")
    await shown.until(
      (screen) => screen.text().endsWith('2)') && screen.styles(screen.lines().length - 1).includes('u'),
    )

    expect(shown.screen.styles(shown.screen.lines().length - 1)).toMatch(/^[.bu]+$/u)
  })

  test('several keys in one chunk are several keys', async () => {
    const shown = await started(withoutApp())

    shown.type('const a = 20\ra + 1\ra + 2\r')
    await shown.until(/^22$/mu)

    expect(shown.screen.text()).toMatch(/^21\nts> a \+ 2\n22/mu)
  })

  test('a paste with newlines is one insertion and submits nothing', async () => {
    const shown = await started(withoutApp())

    shown.type('\u001b[200~const a = 1\nconst b = 2\u001b[201~')
    await shown.until('const b = 2')
    expect(shown.screen.text()).toMatch(/ts> const a = 1\n {2}… const b = 2$/u)
    await shown.enter('', /const b = 2\nts>/u)
    await shown.enter('a + b', /^3$/mu)
  })

  test('Tab completes, shows a menu for several and Enter takes the chosen one', async () => {
    const shown = await started(withoutApp())

    shown.type('Math.sq\t')
    await shown.until('Math.sqrt')
    shown.type('\u0015Math.ex\t')
    await shown.until('Math.exp')
    shown.type('\t')
    await shown.until(/^> exp$/mu)
    shown.type('\t')
    await shown.until(/^> expm1$/mu)
    shown.type('\r')

    await shown.until((screen) => screen.text().endsWith('ts> Math.expm1'))
  })

  test('the parameters of a task and the preview of a value are shown while typing', async () => {
    const shown = await started()

    shown.type('add.delay(')
    await shown.until('  math.add(x: number, y: number): number')
    shown.type('\u0015[3, 1, 2].sort()')
    await shown.until('  [ 1, 2, 3 ]')
    shown.type('\u0015')
    await shown.until((screen) => screen.text().endsWith('embedded>'))
  })

  test('Ctrl-C stops code that runs, and waiting for a task, and gives the prompt back', async () => {
    const shown = await started()

    await shown.enter("console.log('begun'); while (true);", /^begun$/mu)
    shown.type('\u0003')
    await shown.until(/^interrupted\nembedded>$/mu)
    await shown.enter('never.delay()', '… PENDING')
    shown.type('\u0003')
    await shown.until(/goes on: await _ follows it again\.\nembedded>$/mu)
    await shown.enter('1 + 1', /^2$/mu)
  })

  test('keys typed while an input runs are for the next prompt', async () => {
    const shown = await started(withoutApp())

    shown.type("await new Promise((done) => setTimeout(done, 50, 'late'))\r1 + 1\r")

    await shown.until(/'late'\nts> 1 \+ 1\n2/u)
  })

  test('process.exit in user code is told and the engine is there again', async () => {
    const shown = await started(withoutApp())

    await shown.enter('const lost = 1', /lost = 1\nts>/u)
    await shown.enter('process.exit(3)', 'process.exit(3); engine restarted, 1 binding lost, .rerun')
    await shown.enter('typeof lost', "'undefined'")
    await shown.enter('.rerun', /^ts> const lost = 1$/mu)
  })

  test('escape sequences in output and values do nothing to the screen', async () => {
    const shown = await started(withoutApp())

    await shown.enter("console.log('\\x1b[2J\\x1b[1;1Hgone\\r!'); new Error('\\x1b]0;title\\x07').message", /^'\\x1B/mu)

    expect(shown.screen.lines()[0]).toContain('tq · no app')
    expect(shown.screen.text()).toContain('gone\\r!')
  })

  test('Ctrl-R finds an earlier input', async () => {
    const shown = await started(withoutApp())
    await shown.enter('const needle = 7', /needle = 7\nts>/u)
    await shown.enter('1 + 1', /^2$/mu)

    shown.type('\u0012')
    await shown.until('(search) :')
    shown.type('need')
    await shown.until('(search) need: const needle = 7')
    shown.type('\r')

    await shown.until(/^ts> const needle = 7$(?![\s\S]*search)/mu)
  })

  test.each([
    [200, 60],
    [60, 15],
    [40, 10],
    [20, 5],
  ])('a block longer than %i x %i scrolls to its cursor and never fills the screen', async (columns, rows) => {
    const shown = await started(withoutApp(), { columns, rows })

    shown.type(`\u001b[200~${Array.from({ length: 80 }, (_, i) => `// line ${i}`).join('\n')}\u001b[201~`)
    await shown.until('// line 79')

    expect(shown.screen.lines().filter((line) => line.includes('// line')).length).toBeLessThan(rows)
    expect(shown.screen.text()).toContain('// line 79')
  })
})

/** Screen text with what differs from run to run masked. */
function masked(shown: ReplOnScreen): string {
  return shown.screen
    .text()
    .replaceAll(/\d+(?:\.\d+)? ms/gu, 'N ms')
    .replaceAll(/· [0-9a-f]{6}$/gmu, '· xxxxxx')
}
