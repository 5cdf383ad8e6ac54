import { fileURLToPath } from 'node:url'

/** This very command line, for a process that is to do the same: the entry of `tq`, and what was given to it. */
export function ownCommand(): { readonly entry: string; readonly args: readonly string[] } {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  return { entry: fileURLToPath(new URL(`./entry${extension}`, import.meta.url)), args: process.argv.slice(2) }
}

/** Node's own flags for it; those that open a debugger or run another program stay here. */
export function ownFlags(): string[] {
  return process.execArgv.filter((flag) => !/^--(?:inspect|input-type|eval|print)/.test(flag))
}
