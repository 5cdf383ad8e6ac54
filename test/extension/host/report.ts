import { appendFileSync } from 'node:fs'

/** What the runner in the extension host writes, a JSON line each, for the tests' side to read: the two share nothing else. */
export type ReportLine =
  /** First of all: the full titles of the tests that will run. */
  | { readonly kind: 'planned'; readonly titles: readonly string[] }
  | { readonly kind: 'test'; readonly title: string; readonly state: 'passed' | 'skipped'; readonly ms: number }
  | {
      readonly kind: 'test'
      readonly title: string
      readonly state: 'failed'
      readonly ms: number
      readonly error: string
    }
  /** Something to print: a measurement. */
  | { readonly kind: 'note'; readonly text: string }

/** The environment variable that names the report's file. */
export const reportVariable = 'HOST_TEST_REPORT'

/** Written at once, because the host may die in the next line. */
export function report(line: ReportLine): void {
  const file = process.env[reportVariable]
  if (file === undefined) throw new Error(`${reportVariable} is not set: these tests run through host-tests.ts.`)
  appendFileSync(file, `${JSON.stringify(line)}\n`)
}

/** Prints a line in the output of the test run. */
export function note(text: string): void {
  report({ kind: 'note', text })
}
