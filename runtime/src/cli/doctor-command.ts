import { CommandEnd, exitCodes } from './exit-codes.ts'
import { checkAll, type Finding } from './doctor-checks.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'

export interface DoctorFlags extends AppLineFlags {
  readonly timeout: number
  readonly reset?: boolean
}

/** `tq doctor`: what may keep tasks from running, and what to do about it. Changes nothing. Exit 1 when something fails. */
export async function runDoctor(flags: DoctorFlags, output: Output): Promise<void> {
  if (flags.reset) return reset(flags, output)
  const findings: Finding[] = []
  for await (const finding of checkAll(flags)) {
    findings.push(finding)
    if (!flags.json) print(finding, output)
  }
  if (flags.json) output.data(toJson({ checks: findings }))
  const failed = findings.filter(({ level }) => level === 'fail').length
  const warned = findings.filter(({ level }) => level === 'warn').length
  if (failed > 0) throw new CommandEnd(exitCodes.error, `${failed} of ${findings.length} checks failed.`)
  if (!flags.json)
    output.note(warned === 0 ? 'All is well.' : `Nothing fails; ${warned} of ${findings.length} checks warn.`)
}

function print({ level, what, says, todo }: Finding, output: Output): void {
  output.data(printable(table([[level.padEnd(4), what.padEnd(11), says]])))
  if (todo !== undefined) output.data(printable(`${' '.repeat(19)}${todo}`))
}

/** `tq doctor --reset`: a database that cannot be used is moved aside, never deleted. */
async function reset(flags: DoctorFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const { paths, setFileAside } = await app.connections.fileCare()
    const stamp = new Date(app.clock.now()).toISOString().replace(/[:.]/g, '-')
    if (paths.length === 0)
      throw new CommandEnd(exitCodes.usage, `${app.brokerName()} is no file; there is nothing to reset.`)
    for (const path of paths) {
      const aside = setFileAside(path, stamp)
      output.data(
        flags.json ? toJson({ path, aside }) : printable(`${path} is now ${aside}; the next process makes a new one.`),
      )
      output.note('What was in it may be saved with `sqlite3 <that file> .recover`.')
    }
  } finally {
    await app.close()
  }
}
