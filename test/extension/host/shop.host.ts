/** In the example shop. */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { suite, suiteSetup, teardown, test } from 'mocha'
import { ConfigurationTarget, Range, commands, window, workspace } from 'vscode'
import { activated, findSidecar, inWorkspace, lenses, problems, readyApi, timeoutMs, undoTyping } from './editor.ts'
import { waitFor } from '../../helpers/wait.ts'

const runs = ['4: Run', '7: Run', '10: Run']

suite('the extension in a workspace', () => {
  suiteSetup(async () => {
    await activated()
    const document = await workspace.openTextDocument(inWorkspace('src/tasks/math.ts'))
    await window.showTextDocument(document)
    await readyApi()
  })

  teardown(undoTyping)

  test('is activated by what the workspace contains', async () => {
    // Nothing in these tests activates it.
    await activated()
  })

  test('contributes its commands', async () => {
    const known = await commands.getCommands(true)

    for (const command of ['runTask', 'runAgain', 'cancelRun', 'startWorker', 'refresh', 'restart', 'showLog']) {
      assert.ok(known.includes(`tq.${command}`), command)
    }
  })

  test('shows all tasks by their files', async () => {
    const tree = (await readyApi()).tasks()

    assert.deepEqual(
      tree.map(({ label, children }) => [label, children?.map((task) => task.label)]),
      [
        ['images.ts', ['img.fetch', 'img.resize', 'img.publish']],
        ['mail.ts', ['mail.send', 'mail.digest']],
        ['math.ts', ['math.add', 'math.mul', 'math.xsum']],
        ['orders.ts', ['orders.charge', 'orders.checkout', 'orders.flaky']],
        ['reports.ts', ['reports.daily', 'reports.export', 'reports.slow']],
      ],
    )
  })

  test('runs a task with given arguments, and shows its result at its definition', async () => {
    const api = await readyApi()
    const { document } = await shownMath()
    const file = document.uri.fsPath

    await commands.executeCommand('tq.runTask', { task: 'math.mul', args: ['6', '7'] })

    const [shown] = await waitFor(
      () => api.inlineResults(file).some(({ text }) => /✓/.test(text)) && api.inlineResults(file),
      { what: 'the result', timeoutMs },
    )
    assert.equal(shown?.line, 6)
    assert.match(shown?.text ?? '', /^=> 42 +✓/)
    await commands.executeCommand('tq.clearInlineResults')
    assert.deepEqual(api.inlineResults(file), [])
  })

  test('a result is gone when its line is edited, and stays when another is', async () => {
    const api = await readyApi()
    const editor = await shownMath()
    const file = editor.document.uri.fsPath
    await commands.executeCommand('tq.runTask', { task: 'math.add', args: ['1', '1'] })
    await waitFor(() => api.inlineResults(file).some(({ text }) => /=> 2 +✓/.test(text)), {
      what: 'the result',
      timeoutMs,
    })

    await editor.edit((edit) => edit.insert(editor.document.lineAt(0).range.start, '\n'))
    assert.match(api.inlineResults(file).find(({ line }) => line === 4)?.text ?? '', /=> 2/)
    await editor.edit((edit) => edit.insert(editor.document.lineAt(4).range.end, ' //'))

    assert.equal(
      api.inlineResults(file).find(({ line }) => line === 4),
      undefined,
    )
  })

  test('shows Run above every definition', async () => {
    const math = await workspace.openTextDocument(inWorkspace('src/tasks/math.ts'))
    const orders = await workspace.openTextDocument(inWorkspace('src/tasks/orders.ts'))

    assert.deepEqual(await lenses(math), runs)
    assert.deepEqual(await lenses(orders), ['11: Run', '17: Run', '24: Run'])
  })

  test('shows nothing in a file without tasks', async () => {
    const price = await workspace.openTextDocument(inWorkspace('src/lib/price.ts'))

    assert.deepEqual(await lenses(price), [])
  })

  test('lenses keep their definitions while lines are typed above them', async () => {
    const editor = await shownMath()

    await editor.edit((edit) => edit.insert(editor.document.lineAt(1).range.start, '\nconst half = (\n'))

    assert.deepEqual(await lenses(editor.document), ['6: Run', '9: Run', '12: Run'])
  })

  test('lenses of the other definitions stay while one is half typed', async () => {
    const editor = await shownMath()
    const { document } = editor

    await editor.edit((edit) => edit.replace(document.lineAt(3).range, "export const add = app.task('math.a"))

    const shown = await waitFor(
      async () => {
        const now = await lenses(document)
        return now.includes('7: Run') && now.includes('10: Run') && now
      },
      { what: 'the scan of what was typed', timeoutMs },
    )
    assert.deepEqual(shown.slice(-2), ['7: Run', '10: Run'])
  })

  test('a new definition gets its lens before it is saved', async () => {
    const editor = await shownMath()
    const end = editor.document.lineAt(editor.document.lineCount - 1).range.end

    await editor.edit((edit) => edit.insert(end, "export const one = app.task('math.one', () => 1)\n"))

    await waitFor(async () => (await lenses(editor.document)).includes('11: Run'), {
      what: 'the lens of the new definition',
      timeoutMs,
    })
  })

  test('lenses go and come with their settings', async () => {
    const { document } = await shownMath()
    const settings = workspace.getConfiguration('tq', document.uri)

    for (const name of ['codeLens.enabled', 'codeLens.run']) {
      await settings.update(name, false, ConfigurationTarget.Global)
      await waitFor(async () => (await lenses(document)).length === 0, { what: `no lens without ${name}`, timeoutMs })
      await settings.update(name, undefined, ConfigurationTarget.Global)
      await waitFor(async () => (await lenses(document)).length === 3, { what: 'the lenses', timeoutMs })
    }
  })

  test('two definitions of one name are an error in both files, each with the place of the other', async () => {
    const math = inWorkspace('src/tasks/math.ts')
    const collision = inWorkspace('src/collision.ts')
    assert.deepEqual(problems(math), [])

    renameSync(`${collision.fsPath}.off`, collision.fsPath)
    await waitFor(() => problems(math).length > 0 && problems(collision).length > 0, {
      what: 'both diagnostics',
      timeoutMs,
    })
    const [here] = problems(math)
    const [there] = problems(collision)
    renameSync(collision.fsPath, `${collision.fsPath}.off`)

    assert.match(here?.message ?? '', /math\.add/)
    assert.equal(here?.range.start.line, 3)
    assert.equal(there?.range.start.line, 3)
    assert.deepEqual(
      here?.relatedInformation?.map(({ location }) => location.uri.path),
      [collision.path],
    )
    assert.deepEqual(
      there?.relatedInformation?.map(({ location }) => location.uri.path),
      [math.path],
    )
    await waitFor(() => problems(math).length === 0 && problems(collision).length === 0, {
      what: 'their end',
      timeoutMs,
    })
  })

  test('a collision that is only typed, not saved, is seen too', async () => {
    const editor = await shownMath()
    const { document } = editor
    const line = document.lineAt(6)
    const start = line.text.indexOf('math.mul')

    await editor.edit((edit) => edit.replace(new Range(6, start, 6, start + 8), 'math.add'))

    await waitFor(() => problems(document.uri).length === 2, { what: 'both diagnostics', timeoutMs })
    await undoTyping()
    await waitFor(() => problems(document.uri).length === 0, { what: 'their end', timeoutMs })
  })

  test('a background process that is killed is started again and knows the tasks', async () => {
    const { document } = await shownMath()
    const before = await waitFor(findSidecar, { what: 'the background process', timeoutMs })

    process.kill(before.pid, 'SIGKILL')
    const after = await waitFor(
      () => {
        const now = findSidecar()
        return now && now.pid !== before.pid && now
      },
      { what: 'another background process', timeoutMs },
    )

    assert.notEqual(after.pid, before.pid)
    assert.deepEqual(await lenses(document), runs)
    const collision = inWorkspace('src/collision.ts')
    renameSync(`${collision.fsPath}.off`, collision.fsPath)
    await waitFor(() => problems(collision).length > 0, { what: 'a diagnostic of the new process', timeoutMs })
    renameSync(collision.fsPath, `${collision.fsPath}.off`)
    await waitFor(() => problems(collision).length === 0, { what: 'its end', timeoutMs })
  })
})

async function shownMath() {
  return window.showTextDocument(await workspace.openTextDocument(inWorkspace('src/tasks/math.ts')))
}
