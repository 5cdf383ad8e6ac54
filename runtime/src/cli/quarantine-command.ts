import type { Quarantined, Transport } from '../transports/transport.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'

export interface QuarantineFlags extends AppLineFlags {
  readonly limit: number
  /** Ids, or every message. */
  readonly restore?: readonly string[] | true
  readonly drop?: readonly string[] | true
}

// All that is ever kept.
const most = 1000

/** `tq quarantine`: what was set aside and why; sends it again or deletes it. */
export async function runQuarantine(flags: QuarantineFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const transport = await app.connections.transport()
    if (flags.restore !== undefined) return await each(transport, flags, flags.restore, 'restored', output)
    if (flags.drop !== undefined) return await each(transport, flags, flags.drop, 'dropped', output)
    const kept = await transport.quarantine.list(flags.limit)
    if (flags.json) output.data(toJson(kept.map(asData)))
    else if (kept.length === 0) output.note(`Nothing is in quarantine on ${app.brokerName()}.`)
    else output.data(table([['ID', 'SET ASIDE', 'QUEUE', 'TASK', 'REASON'], ...kept.map(row)]))
  } finally {
    await app.close()
  }
}

async function each(
  { quarantine }: Transport,
  flags: QuarantineFlags,
  wanted: readonly string[] | true,
  done: 'restored' | 'dropped',
  output: Output,
): Promise<void> {
  const kept = (await quarantine.list(most)).map(({ id }) => id)
  const ids = wanted === true ? kept : wanted
  const unknown = ids.filter((id) => !kept.includes(id))
  if (unknown.length > 0) {
    throw new CommandEnd(
      exitCodes.error,
      `Nothing in quarantine is called ${unknown.map((id) => `'${printable(id)}'`).join(', ')}; nothing was ${done}. List it with tq quarantine.`,
    )
  }
  for (const id of ids) await (done === 'restored' ? quarantine.restore(id) : quarantine.drop(id))
  if (flags.json) output.data(toJson({ [done]: ids.length }))
  else output.data(done === 'restored' ? `Sent ${inWords(ids)} again.` : `Deleted ${inWords(ids)}.`)
}

function inWords({ length }: readonly string[]): string {
  return length === 1 ? '1 message' : `${length} messages`
}

function asData({ id, queue, reason, atMs, raw }: Quarantined): unknown {
  return { id, at: new Date(atMs).toISOString(), queue, task: taskOf(raw), taskId: idOf(raw), reason }
}

function row(kept: Quarantined): string[] {
  const { id, queue, reason, atMs, raw } = kept
  const at = new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')
  return [id, at, printable(queue), printable(taskOf(raw) ?? '?'), printable(reason.split('\n')[0] ?? '')]
}

function taskOf({ headers }: Quarantined['raw']): string | undefined {
  return typeof headers['task'] === 'string' ? headers['task'] : undefined
}

function idOf({ headers }: Quarantined['raw']): string | undefined {
  return typeof headers['id'] === 'string' ? headers['id'] : undefined
}
