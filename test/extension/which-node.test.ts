import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findNode, type NodeSearch } from '../../extension/src/which-node.ts'
import { temporaryFolder } from '../helpers/project.ts'

describe('the Node that runs the sidecar', () => {
  test('is the one of the setting, when it is new enough', async () => {
    const [own, other] = [fakeNode('22.18.0'), fakeNode('24.1.0')]

    const { choice } = await findNode(search({ nodePath: own.path, path: other.folder }))

    expect(choice).toMatchObject({ path: own.path, version: '22.18.0', origin: 'setting', scanOnly: false, env: {} })
  })

  test('is the first on PATH that is new enough, past old ones and those that do not start', async () => {
    const [old, broken, good] = [fakeNode('20.20.2'), fakeNode('not a version'), fakeNode('24.1.0')]
    const path = [old.folder, broken.folder, good.folder].join(delimiter)

    const { choice, refused } = await findNode(search({ path }))

    expect(choice).toMatchObject({ path: good.path, origin: 'path' })
    expect(refused).toEqual([
      { path: old.path, origin: 'path', version: '20.20.2' },
      { path: broken.path, origin: 'path', version: undefined },
    ])
  })

  test('one of PATH follows when the setting names an old one or nothing that starts', async () => {
    const [old, good] = [fakeNode('22.17.9'), fakeNode('23.0.0')]

    const afterOld = await findNode(search({ nodePath: old.path, path: good.folder }))
    const afterNothing = await findNode(search({ nodePath: '/nowhere/node', path: good.folder }))

    expect(afterOld.choice?.path).toBe(good.path)
    expect(afterOld.refused).toMatchObject([{ origin: 'setting', version: '22.17.9' }])
    expect(afterNothing.choice?.path).toBe(good.path)
  })

  test("is the editor's own, told to be Node, where PATH has none or an old one", async () => {
    const old = fakeNode('18.0.0')

    const none = await findNode(search({ path: '' }))
    const onlyOld = await findNode(search({ path: old.folder }))

    const own = { path: '/editor', origin: 'editor', scanOnly: false, env: { ELECTRON_RUN_AS_NODE: '1' } }
    expect(none.choice).toMatchObject(own)
    expect(onlyOld.choice).toMatchObject(own)
  })

  test("an editor's own that is a little too old only scans, an old one is nothing", async () => {
    const almost = await findNode(search({ path: '', editor: { execPath: '/editor', version: '22.15.1' } }))
    const old = await findNode(search({ path: '', editor: { execPath: '/editor', version: '20.19.0' } }))

    expect(almost.choice).toMatchObject({ scanOnly: true })
    expect(old.choice).toBeUndefined()
    expect(old.refused).toEqual([{ path: '/editor', origin: 'editor', version: '20.19.0' }])
  })

  test("is the editor's own in a workspace that is not trusted, whatever else there is", async () => {
    const good = fakeNode('24.1.0')

    const { choice, refused } = await findNode(search({ nodePath: good.path, path: good.folder, trusted: false }))

    expect(choice).toMatchObject({ path: '/editor', origin: 'editor' })
    expect(refused).toEqual([])
    expect(good.wasStarted()).toBe(false)
  })

  test('is never looked for in folders that are relative to somewhere', async () => {
    const { choice } = await findNode(search({ path: ['.', 'node_modules/.bin'].join(delimiter) }))

    expect(choice?.origin).toBe('editor')
  })
})

function search(given: Partial<NodeSearch>): NodeSearch {
  return { nodePath: '', path: '', editor: { execPath: '/editor', version: '24.0.0' }, trusted: true, ...given }
}

/** A program called `node` that says this version. */
function fakeNode(version: string) {
  const folder = join(temporaryFolder(), 'bin')
  mkdirSync(folder)
  const path = join(folder, 'node')
  const mark = join(folder, 'started')
  writeFileSync(path, `#!/bin/sh\n: > '${mark}'\necho '${version}'\n`)
  chmodSync(path, 0o755)
  return { folder, path, wasStarted: () => existsSync(mark) }
}
