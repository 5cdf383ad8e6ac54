import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop, protocol, spawnSidecar, startSidecar, type TestSidecar } from './sidecar.ts'

test('another version of the protocol is refused with both numbers', async () => {
  const sidecar = spawnSidecar()

  const asked = sidecar.connection.sendRequest(protocol.initialize, {
    protocolVersion: 99,
    folders: [],
    trusted: false,
  })

  await expect(asked).rejects.toThrow(/version 99 .* version 1/)
  await sidecar.end()
})

test('a folder is scanned, and a buffer that takes a name makes a collision in both files', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const [first] = sidecar.of(protocol.scanned)
  const file = shop.path('src/tasks/mail.ts')

  sidecar.tell(protocol.bufferChanged, {
    file,
    text: readFileSync(file, 'utf8').replace("'mail.send'", "'math.add'"),
    version: 7,
  })

  const { diff, folder } = await sidecar.next(protocol.scanChanged)
  expect(folder).toBe(shop.folder)
  expect(first?.result.tasks.map(({ name }) => name)).toContain('math.add')
  expect(diff.versions).toEqual({ 'src/tasks/mail.ts': 7 })
  expect(diff.diagnostics.flatMap(({ diagnostics }) => diagnostics).map(({ code, file: at }) => [code, at])).toEqual(
    expect.arrayContaining([
      ['duplicate-task', 'src/tasks/mail.ts'],
      ['duplicate-task', 'src/tasks/math.ts'],
    ]),
  )
  sidecar.tell(protocol.bufferClosed, { file })
  await sidecar.next(protocol.scanChanged, (next) => next.diff.changed.some(({ name }) => name === 'mail.send'))
})

test('a buffer in a folder inside another belongs to the inner one', async () => {
  const shop = copyShop()
  const inner = shop.path('inner')
  shop.write('inner/app.ts', `import { Tq } from 'tq-runtime'\nexport const app = new Tq('inner')`)
  const sidecar = await startSidecar({ paths: [shop.folder, inner] })

  sidecar.tell(protocol.bufferChanged, {
    file: shop.path('inner/math.ts'),
    text: `import { app } from './app.ts'\nexport const renamed = app.task('renamed', () => 1)`,
    version: 1,
  })

  const { folder, diff } = await sidecar.next(protocol.scanChanged)
  expect(folder).toBe(inner)
  expect(diff.versions).toEqual({ 'math.ts': 1 })
})

test('a scanner that is killed comes back and knows the open buffers', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  sidecar.tell(protocol.bufferChanged, {
    file: shop.path('src/tasks/new.ts'),
    text: `import { app } from '../app.ts'\nexport const unsaved = app.task('unsaved', () => 1)`,
    version: 3,
  })
  await sidecar.next(protocol.scanChanged, ({ diff }) => diff.added.some(({ name }) => name === 'unsaved'))

  process.kill(scannerPid(sidecar), 'SIGKILL')

  await waitFor(() => sidecar.of(protocol.scanned).length === 2, { what: 'the second scan' })
  await waitFor(
    () =>
      sidecar.of(protocol.scanChanged).filter(({ diff }) => diff.added.some(({ name }) => name === 'unsaved'))
        .length === 2,
    {
      what: 'the unsaved task',
    },
  )
})

test('a folder that cannot be read is said', async () => {
  const sidecar = spawnSidecar()

  await sidecar.connection.sendRequest(protocol.initialize, {
    protocolVersion: protocol.protocolVersion,
    folders: [{ path: '/does/not/exist', name: 'nowhere' }],
    trusted: true,
  })

  expect(await sidecar.next(protocol.scanFailed)).toMatchObject({
    folder: '/does/not/exist',
    message: expect.stringContaining('does not exist'),
  })
  await sidecar.end()
})

function scannerPid(sidecar: TestSidecar): number {
  const said = sidecar.of(protocol.logged).findLast(({ text }) => text.startsWith('Scanner for'))
  return Number(/pid (\d+)/.exec(said?.text ?? '')?.[1])
}
