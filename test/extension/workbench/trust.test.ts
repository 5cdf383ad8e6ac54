import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { requireService } from '../../helpers/services.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop } from '../../helpers/workbench-shop.ts'
import { type Workbench, pictureOnFailure, startWorkbench } from '../../helpers/workbench.ts'

const add = 'export const add'

describe.skipIf(!requireService('workbench'))('a window that does not trust its folder', { timeout: 90_000 }, () => {
  const shop = copyShop()
  const marker = shop.path('marker')
  let bench: Workbench

  beforeAll(async () => {
    writeFileSync(
      shop.path('src/tasks/eager.ts'),
      `import { writeFileSync } from 'node:fs'
import { app } from '../app.ts'

writeFileSync(${JSON.stringify(marker)}, 'imported')
export const eager = app.task('eager.run', (): number => 1)
`,
    )
    mkdirSync(shop.path('.vscode'))
    writeFileSync(shop.path('.vscode/settings.json'), '{ "tq.brokerUrl": "redis://127.0.0.1:1/0" }')
    bench = await startWorkbench({ trusted: false })
    await bench.open(shop.folder)
  }, 120_000)
  beforeEach(() => pictureOnFailure(() => bench))
  afterAll(async () => {
    await bench?.stop()
    shop.remove()
  })

  test('shows the tasks and why they cannot be run, and runs nothing', async () => {
    await bench.openContainer('tq')
    await bench.row('Tasks', 'eager.run').waitFor()
    await bench.openFile('math.ts')
    await waitFor(async () => /[Rr]estricted/.test((await bench.statusBar()).join('\n')), {
      what: 'the status',
      timeoutMs: 30_000,
    })

    await bench.row('Tasks', 'math.add').hover()
    const lenses = await bench.lensesAbove(add)
    await bench.screenshot('trust-1-restricted')

    expect(lenses.join('\n')).not.toMatch(/Run/)
    expect(await bench.row('Tasks', 'math.add').getByRole('button', { name: 'Run Task' }).count()).toBe(0)
    expect(await bench.visibleText()).toMatch(/Restricted Mode: /)
    expect(existsSync(marker)).toBe(false)
    expect(existsSync(shop.path('.tq'))).toBe(false)
  })

  test('offers to run them as soon as it is trusted, without a reload', async () => {
    await bench.page.evaluate('window.sameWindow = true')

    await bench.command('Workspaces: Manage Workspace Trust')
    await bench.page
      .locator('.workspace-trust-editor')
      .getByRole('button', { name: 'Trust', exact: true })
      .first()
      .click()
    await bench.openFile('math.ts')
    const lenses = await waitFor(
      async () => {
        const now = await bench.lensesAbove(add)
        return now.includes('Run') && now
      },
      { what: 'the lens', timeoutMs: 30_000 },
    )
    await bench.screenshot('trust-2-trusted')

    expect(lenses).toContain('Run')
    expect(await bench.page.evaluate('window.sameWindow')).toBe(true)
  })
})
