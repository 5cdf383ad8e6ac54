/**
 * `npm test`: services, build, types, then every test. Arguments go to vitest (`npm test -- redis -t priority`).
 * The last line is always `N passed, M failed, K skipped`; the exit code is 0 only if something passed and nothing failed.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { howToInstall, installMissing, serviceNeeds, skippedServices } from './helpers/install.ts'
import { type TestCounts, countsFileVariable } from './reporter.ts'

const root = join(import.meta.dirname, '..')
/** Pictures that tests of the editor keep: helpers/workbench.ts. */
const artifacts = 'test/artifacts'

async function main(args: readonly string[]): Promise<number> {
  const soak = args[0] === '--soak'
  const vitestArgs = soak ? ['--config', 'soak.config.ts', ...args.slice(1)] : args
  rmSync(join(root, artifacts), { recursive: true, force: true })
  const problems: string[] = []
  let skipped: readonly string[] = []
  let counts: TestCounts = { passed: 0, failed: 0, skipped: 0 }
  try {
    skipped = skippedServices()
    problems.push(...missingServices(skipped))
    if (problems.length === 0) {
      // A type error does not hide what the tests say: they run on the source.
      problems.push(...(await succeeds('The build', 'tsc', ['-b'])))
      problems.push(...(await succeeds('The type check of the tests', 'tsc', ['-p', 'test'])))
      counts = await runVitest(vitestArgs, problems)
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  if (problems.length === 0 && counts.passed + counts.failed === 0) problems.push('No test ran.')

  console.log('')
  for (const problem of problems) console.log(problem)
  for (const name of skipped) console.log(`Skipped by TQ_SKIP: the tests that need ${name}`)
  if (existsSync(join(root, artifacts))) {
    console.log(`Pictures of the editor: ${artifacts}/ (${readdirSync(join(root, artifacts)).length} files)`)
  }
  const failed = counts.failed + problems.length
  console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`)
  return failed === 0 ? 0 : 1
}

function missingServices(skipped: readonly string[]): string[] {
  const needed = serviceNeeds.filter(({ name }) => !skipped.includes(name))
  return installMissing(needed, console.log).map(
    ({ need, reason }) =>
      `The tests need ${need.name}: ${reason}\n` +
      `  ${howToInstall(need)}\n` +
      `  or leave its tests out:  TQ_SKIP=${[...skipped, need.name].join(',')} npm test`,
  )
}

async function runVitest(args: readonly string[], problems: string[]): Promise<TestCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-test-'))
  const countsFile = join(folder, 'counts.json')
  try {
    const reporters = ['--reporter=default', `--reporter=${join(import.meta.dirname, 'reporter.ts')}`]
    const ended = await run('vitest', ['run', '--root', 'test', ...reporters, ...args], {
      [countsFileVariable]: countsFile,
    })
    const counts = readCounts(countsFile)
    if (!counts) problems.push(`vitest ended with ${ended} before it had a result.`)
    else if (ended !== 'code 0' && counts.failed === 0)
      problems.push(`vitest ended with ${ended}, though no test failed.`)
    return counts ?? { passed: 0, failed: 0, skipped: 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readCounts(file: string): TestCounts | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as TestCounts // written by reporter.ts
  } catch {
    return undefined
  }
}

async function succeeds(title: string, command: string, args: readonly string[]): Promise<string[]> {
  const ended = await run(command, args)
  return ended === 'code 0' ? [] : [`${title} failed (${[command, ...args].join(' ')} ended with ${ended}).`]
}

/** Runs a tool of node_modules in the top folder, its output streamed, and says how it ended: `code 0`, `signal SIGKILL`. */
function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const path = [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter)
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: path, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
    process.on('SIGTERM', forward).on('SIGINT', forward)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGINT', forward)
      resolve(signal === null ? `code ${code}` : `signal ${signal}`)
    })
  })
}

process.exitCode = await main(process.argv.slice(2))
