/** Node's own flags (`process.execArgv`) for a process of the same kind; those that open a debugger or run another program are left out. */
export function flagsForChild(execArgv: readonly string[]): string[] {
  return execArgv.filter((flag) => !/^--(?:inspect|input-type|eval|print)/.test(flag))
}
