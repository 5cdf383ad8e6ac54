import { expect, onTestFinished, test } from 'vitest'
import { ScanClient } from '../../runtime/src/scan/index.ts'
import { appText, folderOf, taskText } from './folder.ts'

function client(): ScanClient {
  const one = new ScanClient()
  onTestFinished(() => one.stop())
  return one
}

test('a folder is scanned in another process', async () => {
  const folder = folderOf({ 'app.ts': appText, 'tasks.ts': taskText('one') })
  const scanner = client()

  const found = await scanner.open(folder.path, { cacheFile: null })

  expect(found.tasks).toMatchObject([{ name: 'one' }])
  expect(scanner.pid).not.toBe(process.pid)
})

test('of texts that are typed faster than they are looked at, all get the answer to the newest', async () => {
  const folder = folderOf({ 'app.ts': appText, 'tasks.ts': taskText('one') })
  const scanner = client()
  await scanner.open(folder.path, { cacheFile: null })

  const diffs = await Promise.all([1, 2, 3].map((n) => scanner.change('tasks.ts', taskText(`typed${n}`), n)))

  expect(diffs.at(-1)).toMatchObject({ versions: { 'tasks.ts': 3 }, changed: [{ name: 'typed3' }] })
  expect((await scanner.snapshot()).tasks).toMatchObject([{ name: 'typed3' }])
  expect(await scanner.close('tasks.ts')).toMatchObject({ changed: [{ name: 'one' }] })
})

test('errors come back as they are', async () => {
  const scanner = client()

  await expect(scanner.open('/does/not/exist')).rejects.toMatchObject({
    code: 'TQ_SCAN',
    message: /\/does\/not\/exist/,
  })
  await expect(scanner.snapshot()).rejects.toMatchObject({
    message: 'Nothing is open yet: call open() before snapshot().',
  })
})

test('when its process dies, what waits and what comes later is refused', async () => {
  const folder = folderOf({ 'app.ts': appText })
  const scanner = client()
  await scanner.open(folder.path, { cacheFile: null })
  process.kill(scanner.pid ?? 0, 'SIGSTOP')
  const waiting = scanner.snapshot()
  process.kill(scanner.pid ?? 0, 'SIGKILL')

  await expect(waiting).rejects.toMatchObject({ code: 'TQ_SCAN', message: /SIGKILL/ })
  await expect(scanner.snapshot()).rejects.toMatchObject({ code: 'TQ_SCAN' })
})

test('stop can be called twice', async () => {
  const scanner = client()

  await scanner.stop()
  await scanner.stop()

  await expect(scanner.snapshot()).rejects.toMatchObject({ code: 'TQ_SCAN' })
})
