/** Figures of the benchmark, as notes `name value`. The workspace does not activate the extension by itself. */
import assert from 'node:assert/strict'
import { suite, test } from 'mocha'
import { commands, extensions, window, workspace } from 'vscode'
import { waitFor } from '../../helpers/wait.ts'
import { inWorkspace, lenses } from './editor.ts'
import { note } from './report.ts'

const requests = 30

suite('the speed of the extension', () => {
  test('its activation', async () => {
    const extension = await waitFor(() => extensions.getExtension('tq.tq-vscode'), { what: 'the extension' })
    assert.equal(extension.isActive, false)
    const cpu = process.cpuUsage()
    const begin = performance.now()

    await extension.activate()

    note(`activate ${performance.now() - begin}`)
    note(`activateCpu ${spentMs(cpu)}`)
    // The figure is the CPU time of the first five seconds.
    await new Promise((resolve) => setTimeout(resolve, 5000 - (performance.now() - begin)))
    note(`hostCpu ${spentMs(cpu)}`)
  })

  test('its lenses', async function () {
    this.timeout(60_000)
    const file = process.env['SPEED_FILE'] ?? ''
    const document = await workspace.openTextDocument(inWorkspace(file))
    await window.showTextDocument(document)
    await waitFor(async () => (await lenses(document)).length > 0, { what: 'the lenses', timeoutMs: 60_000 })

    for (let n = 0; n < requests; n++) {
      const begin = performance.now()
      const found = await commands.executeCommand<unknown[]>('vscode.executeCodeLensProvider', document.uri)
      note(`lenses ${performance.now() - begin}`)
      assert.ok(found.length > 0)
    }
  })
})

function spentMs(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}
