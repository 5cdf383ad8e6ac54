import { spawnSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { CommandEnd, exitCodes } from './exit-codes.ts'

export interface PlaceFlags {
  readonly workdir?: string | undefined
  readonly uid?: string | undefined
  readonly gid?: string | undefined
  readonly umask?: string | undefined
}

/**
 * Puts this process where the flags say: working folder, permissions of new files, group and user, in this order. Throws CommandEnd for
 * what there is not, or what only root may do. Source: celery/platforms.py, maybe_drop_privileges.
 */
export function takePlace({ workdir, uid, gid, umask }: PlaceFlags): void {
  if (workdir !== undefined) orEnd(`use the folder ${workdir} (--workdir)`, () => process.chdir(workdir))
  if (umask !== undefined) {
    if (!/^[0-7]{1,4}$/.test(umask)) throw new CommandEnd(exitCodes.usage, `expected --umask to be octal, got ${umask}`)
    process.umask(Number.parseInt(umask, 8))
  }
  if ((uid === undefined && gid === undefined) || isAlready(uid)) return
  const { setuid, setgid, initgroups } = process as Places
  if (!setuid || !setgid || !initgroups) {
    throw new CommandEnd(exitCodes.usage, '--uid and --gid have no meaning on this platform.')
  }
  const group = gid ?? primaryGroupOf(uid ?? '')
  orEnd(`become the group ${group} (--gid)`, () => {
    if (uid !== undefined) initgroups(idOr(uid), idOr(group))
    setgid(idOr(group))
  })
  if (uid !== undefined) orEnd(`become the user ${uid} (--uid)`, () => setuid(idOr(uid)))
}

// The types of Node lack initgroups, and none of these is there on Windows.
interface Places {
  readonly setuid?: (id: string | number) => void
  readonly setgid?: (id: string | number) => void
  readonly initgroups?: (user: string | number, group: string | number) => void
}

function primaryGroupOf(user: string): string {
  const { status, stdout } = spawnSync('id', ['-g', '--', user], { encoding: 'utf8' })
  if (status !== 0) throw new CommandEnd(exitCodes.usage, `There is no user ${user} (--uid).`)
  return stdout.trim()
}

// Restarted in its own place it has no more right to change.
function isAlready(user: string | undefined): boolean {
  const { username, uid } = userInfo()
  return uid !== 0 && (user === username || user === String(uid))
}

function idOr(name: string): string | number {
  return /^\d+$/.test(name) ? Number(name) : name
}

function orEnd(what: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandEnd(exitCodes.usage, `Could not ${what}: ${why}`)
  }
}
