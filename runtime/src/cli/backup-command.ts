import { resolve } from 'node:path'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, toJson } from './output.ts'

/** `tq backup <file>`: the database as it stands at one moment, while workers go on. */
export async function runBackup(target: string, flags: AppLineFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const { paths, backupFile } = await app.connections.fileCare()
    const [path] = paths
    if (path === undefined) {
      throw new CommandEnd(
        exitCodes.usage,
        `Nothing to back up: ${app.brokerName()} is a server with tools of its own. \`tq backup\` is for the SQLite file.`,
      )
    }
    const to = resolve(target)
    const { bytes } = await backupFile(path, to)
    output.data(
      flags.json ? toJson({ from: path, to, bytes }) : printable(`${to}: ${bytes} bytes, as ${path} stood just now.`),
    )
    if (!flags.json)
      output.note('To go back to it: end all processes, and put it in the place of that file, its -wal and its -shm.')
  } finally {
    await app.close()
  }
}
