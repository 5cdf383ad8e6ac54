import { projectFolder } from 'tq-runtime/loader'
import type { AppInfo } from 'tq-runtime/scan'
import { readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Folder } from './protocol.ts'

const mostPerFolder = 8

/** The apps of a folder that are targets: those outside tests, those that a package.json names first; at most eight. */
export function chosenApps(folder: Folder, apps: readonly AppInfo[]): readonly AppInfo[] {
  const ranked = apps.flatMap((app) => {
    const file = resolve(folder.path, app.file)
    const named = isNamed(folder.path, file) ? 0 : isNamed(projectFolder(dirname(file)), file) ? 1 : 2
    return named === 2 && isTest(app.file) ? [] : [{ app, named }]
  })
  return ranked
    .sort((a, b) => a.named - b.named)
    .slice(0, mostPerFolder)
    .map(({ app }) => app)
}

/** Whether the package.json there says that its app is in this file. */
function isNamed(folder: string, file: string): boolean {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const tq = typeof parsed === 'object' && parsed !== null && 'tq' in parsed ? parsed.tq : undefined
    const app = typeof tq === 'object' && tq !== null && 'app' in tq ? tq.app : undefined
    if (typeof app !== 'string') return false
    const path = resolve(folder, app.replace(/(?<=.):[A-Za-z_$][\w$]*$/, ''))
    return path === file || path === file.replace(/\.[cm]?[jt]sx?$/, '')
  } catch {
    return false
  }
}

function isTest(file: string): boolean {
  const folders = dirname(file).split('/')
  const named = /\.(?:test|spec|bench)\.[^.]+$/.test(basename(file))
  return named || folders.some((one) => /^(?:tests?|__tests__|fixtures|__fixtures__|e2e)$/.test(one))
}
