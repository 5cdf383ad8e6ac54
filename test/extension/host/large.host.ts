/** In a monorepo of 5,000 tasks, with a Node on PATH that is too old. */
import assert from 'node:assert/strict'
import { suite, suiteSetup, test } from 'mocha'
import { window, workspace } from 'vscode'
import { activated, findSidecar, inWorkspace, lenses, readyApi, timeoutMs } from './editor.ts'
import { waitFor } from '../../helpers/wait.ts'
import { note } from './report.ts'

suite('the extension in a workspace of 5,000 tasks, with an old Node', () => {
  suiteSetup(async function () {
    this.timeout(90_000)
    const startedAt = performance.now()
    await activated()
    await readyApi()
    note(`5,000 tasks: scanned ${Math.round(performance.now() - startedAt)} ms after the activation`)
  })

  test('takes the runtime of the editor for its background process', async () => {
    const sidecar = await waitFor(findSidecar, { what: 'the background process', timeoutMs })

    assert.equal(sidecar.execPath, process.execPath)
  })

  test('shows the lenses of the last file', async () => {
    const startedAt = performance.now()
    const document = await workspace.openTextDocument(inWorkspace('packages/jobs/src/tasks/part249.ts'))
    await window.showTextDocument(document)

    const shown = await waitFor(
      async () => {
        const now = await lenses(document)
        return now.length > 0 && now
      },
      { what: 'the lenses', timeoutMs },
    )

    note(`5,000 tasks: the lenses of a file ${Math.round(performance.now() - startedAt)} ms after it was opened`)
    assert.deepEqual(
      shown,
      Array.from({ length: 20 }, (_, index) => `${index + 2}: Run`),
    )
  })

  test('answers within a moment while files are edited', async () => {
    const document = await workspace.openTextDocument(inWorkspace('packages/jobs/src/tasks/part100.ts'))
    const editor = await window.showTextDocument(document)
    await waitFor(async () => (await lenses(document)).length === 20, { what: 'the lenses', timeoutMs })

    const startedAt = performance.now()
    await editor.edit((edit) => edit.insert(document.lineAt(0).range.start, '\n\n'))
    const shown = await lenses(document)

    note(`5,000 tasks: lenses ${Math.round(performance.now() - startedAt)} ms after an edit`)
    assert.deepEqual(shown[0], '4: Run')
  })
})
