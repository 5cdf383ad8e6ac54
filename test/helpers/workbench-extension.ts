import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from './wait.ts'
import { installedWorkbench } from './workbench-install.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cache = join(root, 'node_modules/.cache/tq-test')

/** The extension as a user gets it. */
export interface PackagedExtension {
  readonly vsix: string
  /** A folder of extensions with this one installed in it; copy it, a workbench writes into its own. */
  readonly extensionsFolder: string
  /** The installed extension itself. */
  readonly folder: string
}

/** Builds, packages and unpacks the extension, once for each state of its sources: the files of a run share it. */
export async function packagedExtension(): Promise<PackagedExtension> {
  const folder = join(cache, `extension-${hashSources()}`)
  const extensionsFolder = join(folder, 'extensions')
  if (!existsSync(folder)) await locked(() => existsSync(folder) || build(folder))
  const name = readdirSync(extensionsFolder).find((entry) => entry.startsWith('tq.tq-vscode-'))
  if (name === undefined) throw new Error(`The workbench did not unpack the extension into ${extensionsFolder}.`)
  return { vsix: join(folder, 'tq-vscode.vsix'), extensionsFolder, folder: join(extensionsFolder, name) }
}

function build(folder: string): void {
  const program = installedWorkbench()
  if (!program) throw new Error('The workbench is not installed:  node test/helpers/workbench-install.ts')
  const draft = `${folder}.draft`
  rmSync(draft, { recursive: true, force: true })
  removeOldBuilds()
  mkdirSync(draft, { recursive: true })
  const vsix = join(draft, 'tq-vscode.vsix')
  execFileSync(process.execPath, [join(root, 'extension/build.ts'), '--vsix', vsix], { cwd: root, stdio: 'pipe' })
  const folders = ['--extensions-dir', join(draft, 'extensions'), '--user-data-dir', join(draft, 'user-data')]
  execFileSync(program.node, [program.entry, '--install-extension', vsix, ...folders], {
    env: { ...process.env, XDG_CONFIG_HOME: join(draft, 'config'), XDG_DATA_HOME: join(draft, 'data') },
    stdio: 'pipe',
  })
  renameSync(draft, folder)
}

/** Another run may still use one: only those of other days go. */
function removeOldBuilds(): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    if (!name.startsWith('extension-')) continue
    if (statSync(path).mtimeMs < Date.now() - 86_400_000) rmSync(path, { recursive: true, force: true })
  }
}

/** Runs `make` while no other process of this clone does; the lock of a process that is gone counts for nothing. */
async function locked(make: () => unknown): Promise<void> {
  mkdirSync(cache, { recursive: true })
  const lock = join(cache, 'extension.lock')
  await waitFor(() => takeLock(lock), {
    what: `the build of the extension in another process (${lock})`,
    timeoutMs: 60_000,
  })
  try {
    make()
  } finally {
    rmSync(lock, { force: true })
  }
}

function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    const owner = Number(readFileSync(lock, 'utf8'))
    // Empty for a moment, between its creation and its pid.
    if (owner > 0 && !existsSync(`/proc/${owner}`)) rmSync(lock, { force: true })
    return false
  }
}

const made = new Set(['dist', 'node_modules', 'LICENSE'])

/** Of all that a build reads; `package-lock.json` stands for what is bundled from elsewhere. */
function hashSources(): string {
  const hash = createHash('sha256')
  const add = (path: string): void => {
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).toSorted()) {
        if (!made.has(name) && !name.endsWith('.vsix')) add(join(path, name))
      }
    } else hash.update(path).update('\0').update(readFileSync(path))
  }
  for (const path of ['extension', 'runtime/src', 'runtime/package.json', 'package-lock.json']) add(join(root, path))
  return hash.digest('hex').slice(0, 16)
}
