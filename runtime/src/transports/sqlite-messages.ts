import { isUtf8 } from 'node:buffer'
import type { RawMessage } from '../core/message.ts'
import type { Transaction } from '../drivers/sqlite-commit.ts'
import { type Cell, integer, type Reader } from '../drivers/sqlite-connection.ts'
import { trimQuarantine } from '../drivers/sqlite-housekeeping.ts'
import { encodeEnvelope } from '../wire/envelope.ts'
import type { QueueState } from './transport.ts'

/** A message as it lies in the file. */
export interface StoredMessage {
  readonly seq: number
  readonly queue: number
  readonly queueName: string
  readonly priority: number
  /** How often somebody had it and gave it back, or died over it. */
  readonly tries: number
  readonly body: Cell
}

// The tables give every message its number; kombu's envelope only has to have some tag.
const deliveryTag = '-'
const promotedAtOnce = 500

export function envelopeOf(message: RawMessage, exchange: string, routingKey: string): string {
  const bodyEncoding = /^utf-?8$/i.test(message.contentEncoding) && isUtf8(message.body) ? 'utf-8' : 'base64'
  return encodeEnvelope(message, { exchange, routingKey, deliveryTag, bodyEncoding })
}

/** What `Outgoing` becomes for one queue. `dueMs` 0: at once. */
export interface NewMessage {
  readonly queue: number
  readonly priority: number
  readonly dueMs: number
  readonly envelope: string
}

export function addMessage(tx: Transaction, message: NewMessage, nowMs: number): void {
  const { queue, priority, dueMs, envelope } = message
  const isLater = dueMs > nowMs
  if (!isLater) ringIfEmpty(tx, queue)
  const seq = tx.insert(
    'insert into message(queue, prio, at, body) values(?,?,?,?)',
    queue,
    priority,
    Math.floor(nowMs),
    envelope,
  )
  if (isLater) delay(tx, seq, dueMs)
  else tx.run('insert into ready(queue, prio, seq) values(?,?,?)', queue, priority, seq)
}

// A sleeping consumer saw its queue empty: whoever made it non-empty rang for all of them.
function ringIfEmpty(tx: Transaction, queue: number): void {
  if (tx.get('select 1 as one from ready where queue=? limit 1', queue) === undefined) tx.ring('queue')
}

function delay(tx: Transaction, seq: number, dueMs: number): void {
  tx.run('insert into delayed(due, seq) values(?,?)', Math.ceil(dueMs), seq)
  // Consumers set their timers by the earliest.
  tx.ring('queue')
}

/** Moves what has fallen due to its queue. Other consumers have timers of their own for it. */
export function promoteDue(tx: Transaction, nowMs: number): void {
  if ((earliestDue(tx) ?? Number.POSITIVE_INFINITY) > nowMs) return
  const due = tx.all(
    `select d.due, d.seq, m.queue, m.prio from delayed d cross join message m on m.seq=d.seq
       where d.due<=? order by d.due, d.seq limit +?`,
    Math.floor(nowMs),
    promotedAtOnce,
  )
  for (const row of due) {
    tx.run('delete from delayed where due=? and seq=?', integer(row['due']), integer(row['seq']))
    tx.run(
      'insert into ready(queue, prio, seq) values(?,?,?)',
      integer(row['queue']),
      integer(row['prio']),
      integer(row['seq']),
    )
  }
}

export function earliestDue(tx: Reader): number | undefined {
  const due = tx.get('select min(due) as due from delayed')?.['due']
  return due === null || due === undefined ? undefined : integer(due)
}

/** Takes up to `limit` messages, the most urgent and oldest first. No RETURNING: its order is not defined. */
export function takeMessages(
  tx: Transaction,
  peer: number,
  queue: { readonly id: number; readonly name: string },
  limit: number,
): readonly StoredMessage[] {
  const taken = tx
    .all(
      `select m.seq, m.prio, m.tries, m.body from ready r cross join message m on m.seq=r.seq
         where r.queue=? order by r.prio, r.seq limit +?`,
      queue.id,
      limit,
    )
    .map((row) => ({
      seq: integer(row['seq']),
      queue: queue.id,
      queueName: queue.name,
      priority: integer(row['prio']),
      tries: integer(row['tries']),
      body: row['body'],
    }))
  const last = taken.at(-1)
  if (last === undefined) return taken
  // What was taken is the head of the queue up to its last row: two statements move it, however many rows it has.
  tx.run(
    'insert into held(peer, seq) select ?, seq from ready where queue=? and (prio, seq) <= (?, ?)',
    peer,
    queue.id,
    last.priority,
    last.seq,
  )
  tx.run('delete from ready where queue=? and (prio, seq) <= (?, ?)', queue.id, last.priority, last.seq)
  return taken
}

/** False when the message is no longer ours: then nothing was changed. */
export function release(tx: Transaction, peer: number, seq: number): boolean {
  return tx.run('delete from held where peer=? and seq=?', peer, seq) === 1
}

export function deleteMessage(tx: Transaction, seq: number): void {
  tx.run('delete from message where seq=?', seq)
}

/** To the front of its queue, since it keeps its number; counts as a delivery. */
export function requeue(tx: Transaction, message: StoredMessage): void {
  tx.run('update message set tries=tries+1 where seq=?', message.seq)
  makeReady(tx, message)
}

export function parkMessage(tx: Transaction, message: StoredMessage, untilMs: number, nowMs: number): void {
  if (untilMs > nowMs) delay(tx, message.seq, untilMs)
  else makeReady(tx, message)
}

function makeReady(tx: Transaction, message: Pick<StoredMessage, 'seq' | 'queue' | 'priority'>): void {
  tx.run('insert into ready(queue, prio, seq) values(?,?,?)', message.queue, message.priority, message.seq)
  tx.ring('queue')
}

export function bury(tx: Transaction, seq: number, reason: string, nowMs: number): void {
  tx.run(
    `insert into dead(queue, prio, reason, at, tries, body)
       select queue, prio, ?, ?, tries, body from message where seq=?`,
    reason,
    Math.floor(nowMs),
    seq,
  )
  deleteMessage(tx, seq)
  trimQuarantine(tx, nowMs)
}

/** False when there is no such message. */
export function unbury(tx: Transaction, id: number, nowMs: number): boolean {
  const row = tx.get('select queue, prio from dead where id=?', id)
  if (row === undefined) return false
  const seq = tx.insert(
    'insert into message(queue, prio, at, body) select queue, prio, ?, body from dead where id=?',
    Math.floor(nowMs),
    id,
  )
  tx.run('delete from dead where id=?', id)
  makeReady(tx, { seq, queue: integer(row['queue']), priority: integer(row['prio']) })
  return true
}

/** Deletes up to `limit` waiting messages, parked ones included; returns how many. */
export function purgeSome(tx: Transaction, queue: number, limit: number): number {
  const seqs = tx
    .all(
      `select seq from ready where queue=?1 union all
         select d.seq from delayed d cross join message m on m.seq=d.seq where m.queue=?1 limit +?2`,
      queue,
      limit,
    )
    .map((row) => integer(row['seq']))
  for (const seq of seqs) {
    tx.run('delete from ready where (queue, prio, seq) in (select queue, prio, seq from message where seq=?)', seq)
  }
  if (seqs.length > 0) {
    const list = JSON.stringify(seqs)
    tx.run('delete from delayed where seq in (select value from json_each(?))', list)
    tx.run('delete from message where seq in (select value from json_each(?))', list)
  }
  return seqs.length
}

/** One statement, so that a message on the move is counted once. What has fallen due counts as ready. */
export function countMessages(
  reader: Reader,
  queue: number,
  nowMs: number,
): { readonly ready: number; readonly held: number; readonly parked: number; readonly oldestAt: number | undefined } {
  const row = reader.get(
    `with waiting as (
       select d.due<=?2 as due from delayed d cross join message m on m.seq=d.seq where m.queue=?1
     ), oldest as (select min(seq) as seq from ready where queue=?1)
     select (select count(*) from ready where queue=?1) + (select count(*) from waiting where due) as ready,
       (select count(*) from held h cross join message m on m.seq=h.seq where m.queue=?1) as held,
       (select count(*) from waiting where not due) as parked,
       (select m.at from oldest cross join message m on m.seq=oldest.seq) as oldest`,
    queue,
    Math.floor(nowMs),
  )
  const oldest = row?.['oldest']
  return {
    ready: integer(row?.['ready']),
    held: integer(row?.['held']),
    parked: integer(row?.['parked']),
    oldestAt: oldest === null || oldest === undefined ? undefined : integer(oldest),
  }
}

export function peekBodies(
  reader: Reader,
  queue: number,
  options: { readonly state: QueueState; readonly limit: number; readonly nowMs: number },
): readonly Cell[] {
  const { state, limit, nowMs } = options
  return reader.all(peeks[state], queue, limit, Math.floor(nowMs)).map((row) => row['body'])
}

const peeks: Readonly<Record<QueueState, string>> = {
  ready: `select body from (
      select m.prio, m.seq, m.body from ready r cross join message m on m.seq=r.seq where r.queue=?1
      union all
      select m.prio, m.seq, m.body from delayed d cross join message m on m.seq=d.seq where m.queue=?1 and d.due<=?3)
    order by prio, seq limit +?2`,
  held: `select m.body from held h cross join message m on m.seq=h.seq where m.queue=?1 and ?3 order by m.seq limit +?2`,
  parked: `select m.body from delayed d cross join message m on m.seq=d.seq where m.queue=?1 and d.due>?3
    order by d.due, d.seq limit +?2`,
}
