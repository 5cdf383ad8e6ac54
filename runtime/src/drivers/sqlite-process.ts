import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process as other processes of the same file can recognise it. */
export interface ProcessIdentity {
  /** Where pids mean the same: kernel boot and pid namespace on Linux, elsewhere the host's name. */
  readonly host: string
  readonly pid: number
  /** Start time in the kernel's ticks, which tells a reused pid; 0 where it cannot be read (macOS, Windows). */
  readonly started: number
}

export function ownIdentity(): ProcessIdentity {
  return { host: hostIdentity(), pid: process.pid, started: procStat(process.pid)?.started ?? 0 }
}

/** Whether a process of this host has ended: `unknown` where its start time cannot be read, since its pid may be another's. */
export function processState(pid: number, started: number): 'running' | 'stopped' | 'dead' | 'unknown' {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: there is one, of another user.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return 'dead'
  }
  const stat = started === 0 ? undefined : procStat(pid)
  if (stat === undefined) return 'unknown'
  // A zombie keeps its pid until its parent asks; it will never settle anything.
  if (stat.started !== started || stat.state === 'Z' || stat.state === 'X') return 'dead'
  return stat.state === 'T' || stat.state === 't' ? 'stopped' : 'running'
}

function hostIdentity(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}|${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

// Source: proc_pid_stat(5). The name in parentheses may hold anything, so fields are counted from its end.
function procStat(pid: number): { readonly state: string; readonly started: number } | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', started: Number(fields[19]) }
  } catch {
    return undefined
  }
}
