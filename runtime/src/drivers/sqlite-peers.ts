import { ChannelError } from '../core/errors.ts'
import type { PeerAnnouncement } from '../transports/transport.ts'
import type { Transaction } from './sqlite-commit.ts'
import { integer, type Reader, type Row, text } from './sqlite-connection.ts'
import { type ProcessIdentity, processState } from './sqlite-process.ts'

/** What this process says of itself in its row. */
export interface PeerCard {
  readonly name: string
  readonly kind: PeerAnnouncement['kind']
  readonly queues: readonly string[]
  /** 1 messages, 2 results, 4 events and remote control. */
  readonly wants: number
}

/** A lease may end late where a process cannot be asked whether it lives (macOS, Windows): this many times its length. */
const patience = 10

export function addPeer(tx: Transaction, who: ProcessIdentity, card: PeerCard, untilMs: number): number {
  return tx.insert(
    'insert into peer(name, kind, host, pid, started, until, wants, info) values(?,?,?,?,?,?,?,?)',
    card.name,
    card.kind,
    who.host,
    who.pid,
    who.started,
    untilMs,
    card.wants,
    JSON.stringify({ queues: card.queues }),
  )
}

/** False when the row is gone: somebody declared us dead, and everything we held is another's. */
export function updatePeer(tx: Transaction, id: number, card: PeerCard, untilMs: number): boolean {
  return (
    tx.run(
      'update peer set name=?, kind=?, until=?, wants=?, info=? where id=?',
      card.name,
      card.kind,
      untilMs,
      card.wants,
      JSON.stringify({ queues: card.queues }),
      id,
    ) === 1
  )
}

/** Gives back what the peer holds and removes it. */
export function removePeer(tx: Transaction, id: number): void {
  if (giveBack(tx, id) > 0) tx.ring('queue')
  tx.run('delete from peer where id=?', id)
}

function giveBack(tx: Transaction, peer: number): number {
  tx.run('update message set tries=tries+1 where seq in (select seq from held where peer=?)', peer)
  tx.run(
    `insert into ready(queue, prio, seq)
       select m.queue, m.prio, m.seq from held h cross join message m on m.seq=h.seq where h.peer=?`,
    peer,
  )
  return tx.run('delete from held where peer=?', peer)
}

/** Ids of peers that will never settle what they hold. Reads only. */
export function deadPeers(reader: Reader, own: PeerContext): readonly number[] {
  return reader
    .all('select id, host, pid, started, until from peer')
    .filter((row) => integer(row['id']) !== own.id && !isAlive(row, own))
    .map((row) => integer(row['id']))
}

export interface PeerContext {
  readonly id: number | undefined
  readonly who: ProcessIdentity
  readonly nowMs: number
  readonly leaseMs: number
}

/**
 * On the same host a process is dead when it has ended; time alone never kills one that lives: a laptop that slept or a worker
 * held at a breakpoint must not have its tasks run twice. Elsewhere (a container with its own pids) the lease decides.
 */
function isAlive(row: Row, own: PeerContext): boolean {
  const untilMs = integer(row['until'])
  if (text(row['host']) !== own.who.host) return untilMs >= own.nowMs
  const state = processState(integer(row['pid']), integer(row['started']))
  return state === 'unknown' ? untilMs + own.leaseMs * (patience - 1) >= own.nowMs : state !== 'dead'
}

/** Takes back what dead peers held; they are judged again inside the transaction. Returns how many messages came back. */
export function recoverDead(tx: Transaction, own: PeerContext): { readonly peers: number; readonly messages: number } {
  const dead = deadPeers(tx, own)
  let messages = 0
  for (const id of dead) {
    messages += giveBack(tx, id)
    tx.run('delete from peer where id=?', id)
  }
  if (messages > 0) tx.ring('queue')
  return { peers: dead.length, messages }
}

/** The error for a second worker of one name, or undefined when the name is free. Compares with living workers only. */
export function nameConflict(tx: Reader, own: PeerContext, name: string): ChannelError | undefined {
  const rows = tx.all("select id, host, pid, started, until from peer where kind='worker' and name=?", name)
  const other = rows.find((row) => integer(row['id']) !== own.id && isAlive(row, own))
  if (other === undefined) return undefined
  return new ChannelError(
    `A worker named '${name}' runs already as process ${integer(other['pid'])}. Stop it, or start this one under another name: tq worker -n <name>@%h.`,
  )
}

/** Living peers that consume the queue. */
export function countConsumers(reader: Reader, own: PeerContext, queue: string): number {
  return reader
    .all("select id, host, pid, started, until, info from peer where kind='worker' or wants & 1")
    .filter((row) => queuesOf(text(row['info'])).includes(queue) && isAlive(row, own)).length
}

/** Texts for the error of a locked file; a stopped process that was writing keeps the lock. */
export function likelyHolders(reader: Reader, own: PeerContext): readonly string[] {
  const others = reader
    .all('select id, name, host, pid, started from peer')
    .filter((row) => integer(row['id']) !== own.id && text(row['host']) === own.who.host)
  return others
    .filter((row) => processState(integer(row['pid']), integer(row['started'])) === 'stopped')
    .map((row) => `process ${integer(row['pid'])} (${text(row['name']) || 'no name'}, stopped)`)
}

function queuesOf(info: string): readonly unknown[] {
  const parsed: unknown = JSON.parse(info)
  if (typeof parsed !== 'object' || parsed === null || !('queues' in parsed)) return []
  return Array.isArray(parsed.queues) ? parsed.queues : []
}
