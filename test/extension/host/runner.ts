/** Runs inside the extension host: the test files beside its bundle, by Mocha, told line by line. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import Mocha from 'mocha'
import { report } from './report.ts'

/** Rejects when a test failed, as the extension host's contract with a test runner asks. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', timeout: 60_000, color: false, reporter: 'min', forbidOnly: true })
  for (const file of readdirSync(import.meta.dirname)) {
    if (file.endsWith('.host.mjs')) mocha.addFile(join(import.meta.dirname, file))
  }
  await mocha.loadFilesAsync()

  const titles: string[] = []
  mocha.suite.eachTest((test: Mocha.Test) => void titles.push(test.fullTitle()))
  report({ kind: 'planned', titles })
  const failures = await new Promise<number>((resolve) => {
    tell(mocha.run(resolve))
  })
  if (failures > 0) throw new Error(`${failures} failed`)
}

function tell(runner: Mocha.Runner): void {
  runner.on('pass', (test) =>
    report({ kind: 'test', title: test.fullTitle(), state: 'passed', ms: test.duration ?? 0 }),
  )
  runner.on('pending', (test) => report({ kind: 'test', title: test.fullTitle(), state: 'skipped', ms: 0 }))
  runner.on('fail', (test, error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? String(error)) : String(error)
    report({ kind: 'test', title: test.fullTitle(), state: 'failed', ms: test.duration ?? 0, error: text })
  })
}
