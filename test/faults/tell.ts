/** A line for whoever reads the output of a run: a seed to repeat, figures to compare. */
export function tell(what: string, facts: object | number | string = ''): void {
  process.stdout.write(`${what} ${typeof facts === 'object' ? JSON.stringify(facts) : facts}\n`)
}
