import { fileURLToPath } from 'node:url'
import type { StartOptions } from '../../../tui/src/repl/protocol.ts'

export const fixtures = fileURLToPath(new URL('../repl/fixtures', import.meta.url))

/** The engine with the fixture app: tasks `add`, `fail` and `never`. */
export function withFixtureApp(options: Partial<StartOptions> = {}): StartOptions {
  const loader = new URL('../repl/fixtures/loader.ts', import.meta.url).href
  return { cwd: fixtures, loadApp: true, eager: false, worker: 'later', loader, ...options }
}

/** The engine without any app. */
export function withoutApp(): StartOptions {
  return { cwd: fixtures, loadApp: false, eager: false, worker: 'later' }
}
