import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shopFolder } from './project.ts'

/** A copy of the example shop outside the clone, with a store of its own. */
export interface ShopCopy {
  readonly folder: string
  path(file: string): string
  remove(): void
}

/** Without the shop's own `.tq/`, with what its modules import. */
export function copyShop(): ShopCopy {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'tq-shop-')))
  const folder = join(parent, 'shop')
  cpSync(shopFolder, folder, { recursive: true, filter: (path) => !['.tq', 'node_modules'].includes(basename(path)) })
  linkModules(folder)
  return {
    folder,
    path: (file) => join(folder, file),
    remove: () => rmSync(parent, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** What tasks import, for a project outside the clone. */
export function linkModules(folder: string): void {
  for (const name of ['tq-runtime', '@types/node']) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)), link)
  }
}
