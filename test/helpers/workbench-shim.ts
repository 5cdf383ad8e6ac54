/**
 * Answers the command line that `@vscode/test-electron` gives to a desktop VS Code, with the workbench of the tests and a
 * browser: `workbench-shim <folder> --extensionDevelopmentPath=… --extensionTestsPath=…`. The exit code is 0 only if the
 * tests' `run()` came to its end without an error. All that it starts stays in its own process group.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { format, parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import { type RunningProcess, trackProcess } from './running-process.ts'
import { waitFor } from './wait.ts'
import { launchBrowser, openWorkbench } from './workbench-page.ts'
import { type WorkbenchServer, startWorkbenchServer } from './workbench-server.ts'

/** The environment variable with the time that the tests may take, in ms; five minutes when it is not set. */
const limitVariable = 'WORKBENCH_LIMIT_MS'

/** Until the extension host runs the tests' module, on a machine with other things to do. */
const startLimitMs = 90_000

const options = {
  extensionDevelopmentPath: { type: 'string', multiple: true },
  extensionTestsPath: { type: 'string' },
  'extensions-dir': { type: 'string' },
  'user-data-dir': { type: 'string' },
  'disable-extensions': { type: 'boolean' },
} as const

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: false })
  const { extensionDevelopmentPath: extensions = [], extensionTestsPath } = values
  if (typeof extensionTestsPath !== 'string' || extensions.length === 0) {
    throw new Error('expected --extensionDevelopmentPath and --extensionTestsPath: this only runs tests')
  }

  const folder = mkdtempSync(join(tmpdir(), 'tq-shim-'))
  const mark = join(folder, 'mark')
  let server: WorkbenchServer | undefined
  let browser: Browser | undefined
  try {
    const ended = Promise.withResolvers<string>()
    const host = watchHost(ended.resolve)
    server = await startWorkbenchServer({
      start: (command, args, env) => host(startHere(command, args, env)),
      settings: givenSettings(values['user-data-dir']),
      extensionsFolder: typeof values['extensions-dir'] === 'string' ? values['extensions-dir'] : undefined,
    })
    void server.process.exit.then(() => ended.resolve('the workbench server ended'))

    browser = await launchBrowser()
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.exposeFunction('codeAutomationExit', () => ended.resolve('the extension host ended'))
    await context.exposeFunction('codeAutomationLog', (type: string, args: unknown[]) => {
      process.stderr.write(`[${type}] ${format(...args)}\n`)
    })
    context.on('page', (page) => page.on('crash', () => ended.resolve('the page of the workbench crashed')))
    await openWorkbench(context, server.url, positionals[0], {
      extensions: extensions.map((path) => toPath(String(path))),
      tests: markedRunner(folder, toPath(extensionTestsPath), mark),
      disableExtensions: values['disable-extensions'] === true,
    })

    const started = waitFor(() => existsSync(mark), { what: 'the extension host', timeoutMs: startLimitMs })
    started.catch((error: unknown) => ended.resolve(String(error)))
    await Promise.race([started, ended.promise])
    const limitMs = Number(process.env[limitVariable] ?? 300_000)
    const timer = setTimeout(() => ended.resolve(`the tests took longer than ${limitMs} ms`), limitMs)
    const how = await ended.promise
    clearTimeout(timer)
    // The workbench says 0 also when the host left in the middle of the tests: only the runner's own mark counts.
    const told = existsSync(mark) ? readFileSync(mark, 'utf8') : ''
    const outcome = told === 'passed' || told.startsWith('failed') ? told : `no result: ${how}`
    if (outcome !== 'passed') console.error(`workbench-shim: ${outcome}`)
    return outcome === 'passed' ? 0 : 1
  } finally {
    await browser?.close().catch(() => {})
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tests' module behind one that leaves a mark when it begins, and another when `run()` has come to its end. */
function markedRunner(folder: string, tests: string, mark: string): string {
  const runner = join(folder, 'runner.mjs')
  writeFileSync(
    runner,
    `import { writeFileSync } from 'node:fs'
export async function run() {
  const mark = (text) => writeFileSync(${JSON.stringify(mark)}, text)
  mark('started')
  try {
    const { run } = await import(${JSON.stringify(pathToFileURL(tests).href)})
    await run()
    mark('passed')
  } catch (error) {
    mark('failed: ' + (error?.stack ?? error))
    throw error
  }
}
`,
  )
  return runner
}

/** A host that dies under its tests may never report: its server's log tells it too. */
function watchHost(ended: (how: string) => void): (server: RunningProcess) => RunningProcess {
  return (server) => {
    server
      .waitForLine(/Extension Host Process exited with code/, 2 ** 31 - 1)
      // The end of a run looks the same: what the host itself tells comes first.
      .then((line) => setTimeout(() => ended(line.trim()), 3000).unref())
      .catch(() => {})
    return server
  }
}

function startHere(command: string, args: readonly string[], env: Readonly<Record<string, string>>): RunningProcess {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid === undefined) throw new Error(`Could not start ${command}.`)
  return trackProcess(child, child.pid, true)
}

function givenSettings(userDataFolder: unknown): Readonly<Record<string, unknown>> {
  if (typeof userDataFolder !== 'string') return {}
  const file = join(userDataFolder, 'User/settings.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {} // the test's own
}

function toPath(path: string): string {
  return resolve(path.startsWith('file:') ? fileURLToPath(path) : path)
}

try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  console.error(`workbench-shim: ${error instanceof Error ? error.stack : String(error)}`)
  process.exit(1)
}
