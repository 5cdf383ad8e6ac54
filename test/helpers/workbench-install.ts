import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { arch, homedir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'

/**
 * The workbench of the tests: code-server is VS Code's own workbench and extension host, with a browser as its window. The
 * registry of npm has it, while a desktop VS Code comes from its vendor's servers only.
 */
const codeServerVersion = '4.139.1'
const nodeVersion = '24.21.0'
const nodePackage = `node-linux-${arch()}`
const entryFile = 'node_modules/code-server/out/node/entry.js'

export interface WorkbenchProgram {
  /** The Node that it was built for. */
  readonly node: string
  readonly entry: string
}

/** Outside the clone, a version each: `~/.cache/tq-test/workbench-<version>`, or under `XDG_CACHE_HOME`. */
export function workbenchFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tq-test', `workbench-${codeServerVersion}`)
}

/** Undefined where it is not installed. The link `node` is the last thing an installation makes. */
export function installedWorkbench(folder: string = workbenchFolder()): WorkbenchProgram | undefined {
  const program = { node: join(folder, 'node'), entry: join(folder, entryFile) }
  return existsSync(program.node) && existsSync(program.entry) ? program : undefined
}

/**
 * Installs it: about two minutes and 830 MB. All happens in a folder of this process's own that is renamed at the end, so
 * nothing that was interrupted is ever taken for complete and two runs at once do not meet. Throws with the command that
 * failed and what it wrote.
 */
export function installWorkbench(folder: string = workbenchFolder()): void {
  const draft = `${folder}.${process.pid}`
  mkdirSync(dirname(folder), { recursive: true })
  removeAbandonedDrafts(folder)
  try {
    build(draft)
    if (existsSync(folder) && !installedWorkbench(folder)) rmSync(folder, { recursive: true, force: true })
    try {
      renameSync(draft, folder)
    } catch (error) {
      if (!installedWorkbench(folder)) throw error // else another run was faster
    }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function build(folder: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  npm(folder, ['install', '--save-exact', `${nodePackage}@${nodeVersion}`])

  // Its own postinstall needs the headers of Kerberos, which only a proxy's login would use: its steps are done here.
  const node = join('node_modules', nodePackage)
  const env = {
    PATH: [join(folder, node, 'bin'), process.env['PATH']].join(delimiter),
    npm_config_nodedir: join(folder, node),
  }
  npm(folder, ['install', '--save-exact', '--ignore-scripts', `code-server@${codeServerVersion}`], env)
  const vscode = join(folder, 'node_modules/code-server/lib/vscode')
  npm(vscode, ['install', '--omit=dev', '--ignore-scripts'], env)
  npm(vscode, ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog', '@vscode/sqlite3'], env)
  npm(join(vscode, 'extensions'), ['install', '--omit=dev', '--ignore-scripts'], env)

  run(folder, join(folder, node, 'bin/node'), [entryFile, '--version'], env)
  symlinkSync(join(node, 'bin/node'), join(folder, 'node'))
}

function npm(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  // What this project asks of install scripts holds for its own packages, and reaches us through npm's environment. Here they
  // are ignored, but for the three modules that are rebuilt by name.
  const scripts = { npm_config_strict_allow_scripts: 'false', npm_config_dangerously_allow_all_scripts: 'true' }
  run(folder, 'npm', [...args, '--no-audit', '--no-fund'], { ...scripts, ...env })
}

function run(folder: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  // `npm test` tells its children where its own project is; this one is elsewhere.
  const { npm_config_local_prefix: _prefix, ...inherited } = process.env
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    env: { ...inherited, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  })
  if (status === 0) return
  const output = [stdout, stderr, error?.message].filter(Boolean).join('\n').trimEnd().slice(-4000)
  throw new Error(`${[command, ...args].join(' ')} in ${folder} ended with ${signal ?? `code ${status}`}:\n${output}`)
}

function removeAbandonedDrafts(folder: string): void {
  for (const name of readdirSync(dirname(folder))) {
    if (!name.startsWith(`${basename(folder)}.`)) continue
    if (!isRunning(Number(name.slice(basename(folder).length + 1)))) {
      rmSync(join(dirname(folder), name), { recursive: true, force: true })
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

if (import.meta.main) installWorkbench()
