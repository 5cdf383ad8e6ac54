import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { requireService } from '../../helpers/services.ts'
import { packagedExtension } from '../../helpers/workbench-extension.ts'
import { copyShop, linkModules } from '../../helpers/workbench-shop.ts'
import { reportAsTests, runHostTests } from './host-tests.ts'

// What the host has run is known when this file is collected, so that each of its tests is one of vitest's.
if (requireService('workbench')) {
  const { folder: extension } = await packagedExtension()

  const shop = copyShop()
  const inShop = await runHostTests({ files: ['shop.host.ts'], extension, workspace: shop.folder })
  shop.remove()
  describe('in the shop', () => reportAsTests(inShop))

  const large = makeLargeWorkspace()
  const inLarge = await runHostTests({
    files: ['large.host.ts'],
    extension,
    workspace: large.folder,
    // Debian's own Node in /usr/bin is too old as well.
    env: { PATH: `${large.oldNode}:/usr/bin:/bin` },
  })
  large.remove()
  describe('in a large workspace', () => reportAsTests(inLarge))
} else {
  // TQ_SKIP names the workbench: one skipped test stands for those that the host would have told of.
  test.skip('the tests inside the extension host')
}

function makeLargeWorkspace() {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'tq-large-')))
  const folder = join(parent, 'large')
  const tasks = join(folder, 'packages/jobs')
  mkdirSync(join(tasks, 'src/tasks'), { recursive: true })
  // As pnpm lays a workspace out whose root does not use tq itself.
  linkModules(join(folder, 'node_modules/.pnpm'))
  linkModules(tasks)
  const write = (file: string, text: string): void => writeFileSync(join(tasks, file), text)
  write('package.json', '{ "name": "large", "type": "module", "private": true, "tq": { "app": "src/app.ts" } }')
  write(
    'src/app.ts',
    "import { Tq } from 'tq-runtime'\nexport const app = new Tq('large', { include: ['./tasks/*.ts'] })\n",
  )
  for (let part = 0; part < 250; part++) {
    const definitions = Array.from(
      { length: 20 },
      (_, index) => `export const t${index} = app.task('part${part}.t${index}', (n: number): number => n + ${index})\n`,
    )
    write(`src/tasks/part${part}.ts`, `import { app } from '../app.ts'\n${definitions.join('')}`)
  }

  const oldNode = join(parent, 'bin')
  mkdirSync(oldNode)
  writeFileSync(join(oldNode, 'node'), '#!/bin/sh\necho v16.20.2\n')
  chmodSync(join(oldNode, 'node'), 0o755)
  return { folder, oldNode, remove: () => rmSync(parent, { recursive: true, force: true, maxRetries: 5 }) }
}
