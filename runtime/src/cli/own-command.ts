import { fileURLToPath } from 'node:url'

/** This very command line, for a process that is to do the same: the entry of `tq`, and what was given to it. */
export function ownCommand(): { readonly entry: string; readonly args: readonly string[] } {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  return { entry: fileURLToPath(new URL(`./entry${extension}`, import.meta.url)), args: process.argv.slice(2) }
}
