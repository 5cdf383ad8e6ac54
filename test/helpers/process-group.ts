import { readdirSync, readFileSync } from 'node:fs'

/** Sends `signal` to every process of the group; a group that is gone already is fine. */
export function signalGroup(groupId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-groupId, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * The ids of the living members of a process group. Zombies are left out: in a container nothing may ever reap them.
 * Reads /proc; on systems without it a living group counts as one member, its leader.
 */
export function groupMembers(groupId: number): number[] {
  let entries: string[]
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return isAlive(groupId) ? [groupId] : []
  }
  return entries.filter((id) => isLivingMember(id, groupId)).map(Number)
}

function isLivingMember(id: string, groupId: number): boolean {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, 'latin1')
    // The command name stands in parentheses and may hold spaces and parentheses itself.
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(group) === groupId && state !== 'Z' && state !== 'X'
  } catch {
    return false // ended between readdir and here
  }
}

function isAlive(groupId: number): boolean {
  try {
    process.kill(-groupId, 0)
    return true
  } catch {
    return false
  }
}
