import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { runBin, spawnBin } from '../../helpers/process.ts'
import { requireService } from '../../helpers/services.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop } from '../../helpers/workbench-shop.ts'
import { type Workbench, pictureOnFailure, startWorkbench } from '../../helpers/workbench.ts'
import { storedRuns } from './store.ts'

const add = 'export const add'
const flaky = 'export const flaky'

// One window, used as one person would: each test goes on where the one before has left it.
describe.skipIf(!requireService('workbench'))('a window with the shop', { timeout: 90_000 }, () => {
  const shop = copyShop()
  let bench: Workbench

  beforeAll(async () => {
    writeFileSync(
      shop.path('src/tasks/hostile.ts'),
      `import { app } from '../app.ts'

export const text = app.task('hostile.text', (): string =>
  '\\u001b[2J\\u0007first\\nsecond \\u202eevil\\u202c 漢字 🎉')

export const large = app.task('hostile.large', (): string => 'x'.repeat(10_000_000))
`,
    )
    bench = await startWorkbench()
    await bench.open(shop.folder)
  }, 120_000)
  beforeEach(() => pictureOnFailure(() => bench))
  afterAll(async () => {
    await bench?.stop()
    shop.remove()
  })

  test('shows the tasks by file, with their signatures', async () => {
    await bench.openContainer('tq')
    await bench.row('Tasks', 'math.add').waitFor()

    const rows = await bench.rows('Tasks')
    await bench.screenshot('1-tasks')

    const at = rows.findIndex((row) => row.startsWith('math.ts'))
    expect(rows.slice(at, at + 3)).toEqual([
      'math.ts src/tasks',
      'math.add (x: number, y: number): number',
      'math.mul (x: number, y: number): number',
    ])
    expect(await bench.toasts()).toEqual([])
  })

  test('runs a task where it is defined, and shows its result at the end of the line', async () => {
    await bench.openFile('math.ts')
    await bench.clickLens(add, 'Run')
    expect(await bench.prompt.read()).toMatch(/math\.add.*1\/2.*x: number/)
    await bench.prompt.type('abc')
    await bench.prompt.accept()
    await waitFor(async () => (await bench.prompt.read()).includes("Not a number: 'abc'."), {
      what: 'the refusal',
      timeoutMs: 30_000,
    })
    await bench.screenshot('2-prompt')
    await bench.prompt.answer(/1\/2/, '2')
    await bench.prompt.answer(/2\/2/, '2')

    const line = await shown(bench, add, /=> 4 +✓/)
    await bench.screenshot('3-result')

    expect(line).toMatch(/x \+ y\) *=> 4 ✓ (\d+|<1) ms$/)
    expect(await bench.toasts()).toEqual([])
    expect(existsSync(shop.path('.tq/tq.db'))).toBe(true)
    const [run, ...others] = await storedRuns(shop.path('.tq/tq.db'), 'math.add')
    expect(others).toEqual([])
    expect(run).toMatchObject({ state: 'SUCCESS', result: 4 })
    expect(run?.events).toEqual(expect.arrayContaining(['task-sent', 'task-received', 'task-succeeded']))
    expect(run?.workerPid).toBeGreaterThan(0)
    expect(run?.workerPid).not.toBe(run?.senderPid)
  })

  test('asks again with the last arguments', async () => {
    await bench.clickLens(add, 'Run')
    await bench.prompt.read()
    expect(await bench.prompt.value()).toBe('2')
    await bench.prompt.accept()
    await waitFor(async () => /2\/2/.test(await bench.prompt.read()), { what: 'the second question' })
    expect(await bench.prompt.value()).toBe('2')
    await bench.prompt.answer(/2\/2/, '40')

    expect(await shown(bench, add, /=> 42/)).toMatch(/=> 42 ✓/)
  })

  test('a failing task says in words that it is tried again, then that it failed', async () => {
    await bench.openFile('orders.ts')
    await bench.clickLens(flaky, 'Run')
    await bench.prompt.answer(/orders\.flaky/, '3')

    const retried = await shown(bench, flaky, /RETRY/)
    const failed = await shown(bench, flaky, /FAIL/)
    // The line is so long that its end is out of sight: the lens says it too.
    const lenses = await waitFor(
      async () => {
        const now = await bench.lensesAbove(flaky)
        return /FAIL/.test(now.join()) && now
      },
      { what: 'the failure in the lens', timeoutMs: 30_000 },
    )
    await bench.screenshot('4-failure')

    expect(retried).toMatch(/↻ RETRY \d.*odd input/)
    expect(failed).toMatch(/✗ FAIL.*odd input/)
    expect(lenses).toEqual(['Run', expect.stringMatching(/^✗ FAIL Error: odd input/)])
    expect(await bench.toasts()).toEqual([])
  })

  test('results of hostile text are shown escaped, in one line', async () => {
    await bench.openFile('hostile.ts')
    await bench.clickLens('export const text', 'Run')

    const line = await shown(bench, 'export const text', /✓/)
    await bench.screenshot('5-hostile')

    expect(line).toContain('漢字 🎉')
    expect(line.slice(line.lastIndexOf('=> '))).not.toMatch(/[\u0000-\u001f\u202a-\u202e\u2066-\u2069]/)
  })

  test('a result of 10 MB is shortened, and the window goes on', async () => {
    await bench.clickLens('export const large', 'Run')

    const line = await shown(bench, 'export const large', /✓/)
    await bench.screenshot('6-large')

    expect(line.length).toBeLessThan(400)
    expect(line).toMatch(/=> '?x{40,}.*…/)
  })

  test('two definitions of one name are told in both files, each with the way to the other', async () => {
    renameSync(shop.path('src/collision.ts.off'), shop.path('src/collision.ts'))

    const rows = await waitFor(
      async () => {
        const now = await bench.problems()
        return now.filter((row) => row.includes('math.add')).length >= 2 && now
      },
      { what: 'both problems', timeoutMs: 30_000 },
    )
    await bench.screenshot('7-collision')
    renameSync(shop.path('src/collision.ts'), shop.path('src/collision.ts.off'))

    expect(rows).toEqual([
      expect.stringMatching(/^collision\.ts ?src/),
      expect.stringMatching(/'math\.add' is defined twice: here and at src\/tasks\/math\.ts:4\b/),
      expect.stringMatching(/^math\.ts \[Ln 4, /),
      expect.stringMatching(/^math\.ts ?src\/tasks/),
      expect.stringMatching(/'math\.add' is defined twice: here and at src\/collision\.ts:4\b/),
      expect.stringMatching(/^collision\.ts \[Ln 4, /),
    ])
    await waitFor(async () => !(await bench.problems()).some((row) => row.includes('math.add')), {
      what: 'the end of both problems',
      timeoutMs: 30_000,
    })
  })

  test('shows a worker that is started elsewhere, and results of tasks that others send', async () => {
    const options = { cwd: shop.folder, cleanEnv: true }
    const worker = spawnBin('tq', ['worker', '-n', 'w1@elsewhere'], options)
    await worker.waitForLine(/ at once$/)
    await bench.openFile('math.ts')
    await bench.openContainer('tq')
    await bench.row('Workers', 'w1@elsewhere').waitFor()

    const called = await runBin('tq', ['call', 'math.mul', '6', '7'], options)
    const line = await shown(bench, 'export const mul', /=> 42/)
    await bench.screenshot('8-live')

    expect(called.code, called.stderr).toBe(0)
    expect(line).toMatch(/=> 42 ✓/)
    expect(await bench.toasts()).toEqual([])
    await worker.stop()
    await waitFor(async () => /offline/.test((await bench.rows('Workers')).join('\n')), {
      what: 'the worker to be gone',
    })
  })
})

/** The line when it shows what is waited for. */
function shown(bench: Workbench, line: string, text: RegExp): Promise<string> {
  return waitFor(
    async () => {
      const now = await bench.lineText(line)
      return text.test(now) && now
    },
    { what: `${String(text)} in the line ${line}`, timeoutMs: 30_000 },
  )
}
