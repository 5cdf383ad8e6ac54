import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { type Exit, spawnProcess } from '../../helpers/process.ts'
import { type ReportLine, reportVariable } from './report.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export interface HostTestOptions {
  /** Names beside this file: `shop.host.ts`. */
  readonly files: readonly string[]
  /** Folder of the extension under test. */
  readonly extension: string
  /** The folder or `.code-workspace` to open. */
  readonly workspace: string
  readonly settings?: Readonly<Record<string, unknown>> | undefined
  /** Of the extension host. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The host is ended when the tests take longer; three minutes when left out. */
  readonly limitMs?: number | undefined
}

export interface HostTestResult {
  readonly title: string
  /** `missing`: it was planned and never told how it went. */
  readonly state: 'passed' | 'failed' | 'skipped' | 'missing'
  readonly error?: string | undefined
}

export interface HostRun {
  /** How the program ended that runs the host: code 0 only if all tests came to their end and none failed. */
  readonly exit: Exit
  readonly output: string
  readonly tests: readonly HostTestResult[]
  readonly notes: readonly string[]
}

/**
 * Runs tests inside an extension host: that of the tests' own workbench, or a desktop VS Code where `VSCODE_EXECUTABLE_PATH` says
 * so: its path, or `download`.
 */
export async function runHostTests(options: HostTestOptions): Promise<HostRun> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-host-'))
  // Beside the packages that the bundle imports.
  const cache = join(root, 'node_modules/.cache/tq-test')
  mkdirSync(cache, { recursive: true })
  const bundle = mkdtempSync(join(cache, 'host-'))
  const reportFile = join(folder, 'report.jsonl')
  const userData = join(folder, 'user-data')
  try {
    await bundleTests(options.files, bundle)
    mkdirSync(join(userData, 'User'), { recursive: true })
    writeFileSync(join(userData, 'User/settings.json'), JSON.stringify(options.settings ?? {}))
    writeFileSync(reportFile, '')
    const given = {
      vscodeExecutablePath: executable(folder),
      extensionDevelopmentPath: options.extension,
      extensionTestsPath: join(bundle, 'runner.mjs'),
      launchArgs: [
        options.workspace,
        '--disable-extensions',
        `--user-data-dir=${userData}`,
        `--extensions-dir=${join(folder, 'extensions')}`,
      ],
    }
    const limitMs = options.limitMs ?? 180_000
    const program = spawnProcess(
      process.execPath,
      [fileURLToPath(new URL('run-tests.ts', import.meta.url)), JSON.stringify(given)],
      {
        env: { ...options.env, TMPDIR: folder, [reportVariable]: reportFile, WORKBENCH_LIMIT_MS: String(limitMs) },
        mayLeaveChildren: true,
      },
    )
    const timer = setTimeout(() => void program.stop(0), limitMs + 120_000)
    const exit = await program.exit
    clearTimeout(timer)
    await program.stop()
    return { exit, output: program.stdout + program.stderr, ...readReport(reportFile) }
  } finally {
    rmSync(bundle, { recursive: true, force: true })
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** One vitest test for each test of a run, and one that the run as a whole ended well: a host that dies cannot be overseen. */
export function reportAsTests({ exit, output, tests, notes }: HostRun): void {
  for (const text of notes) process.stdout.write(`${text}\n`)
  for (const { title, state, error } of tests) {
    // What the host's own suite left out counts as left out here, too.
    test.skipIf(state === 'skipped')(title, () => {
      if (state !== 'passed') throw new Error(error ?? 'the extension host ended before this test did')
    })
  }
  test('the extension host ran all of its tests', () => {
    expect({ ran: tests.length > 0, ...exit }, output.slice(-6000)).toEqual({ ran: true, code: 0, signal: null })
  })
}

async function bundleTests(files: readonly string[], outdir: string): Promise<void> {
  await build({
    absWorkingDir: fileURLToPath(new URL('.', import.meta.url)),
    entryPoints: ['runner.ts', ...files],
    bundle: true,
    outdir,
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    format: 'esm',
    target: 'node22',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  })
}

/** `undefined` lets `@vscode/test-electron` download one. */
function executable(folder: string): string | undefined {
  const given = process.env['VSCODE_EXECUTABLE_PATH']
  if (given === 'download') return undefined
  if (given) return given
  const shim = join(folder, 'workbench')
  const program = fileURLToPath(new URL('../../helpers/workbench-shim.ts', import.meta.url))
  writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 })
  return shim
}

function readReport(file: string): Pick<HostRun, 'tests' | 'notes'> {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ReportLine) // written by report.ts
  const planned = lines.flatMap((line) => (line.kind === 'planned' ? line.titles : []))
  const told = lines.flatMap((line) => (line.kind === 'test' ? [line] : []))
  return {
    notes: lines.flatMap((line) => (line.kind === 'note' ? [line.text] : [])),
    tests: [
      ...told.map((line) => ({
        title: line.title,
        state: line.state,
        error: 'error' in line ? line.error : undefined,
      })),
      ...planned
        .filter((title) => !told.some((line) => line.title === title))
        .map((title) => ({ title, state: 'missing' as const })),
    ],
  }
}
