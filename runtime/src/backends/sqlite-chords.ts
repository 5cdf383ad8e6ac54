import type { Transaction } from '../drivers/sqlite-commit.ts'
import { integer, type Reader, type Row, text } from '../drivers/sqlite-connection.ts'

/**
 * A chord's row counts its parts. Parts may come before `openChord` says how many there will be, and a running part may add
 * more. A closed chord stays known until it expires: a part that joins late must not open it again.
 */
export function openChordRow(tx: Transaction, id: string, size: number, times: Times): void {
  ensure(tx, id, times)
  tx.run('update chord set size=? where id=?', size, id)
  isComplete(tx, id, times.nowMs)
}

export interface Times {
  readonly nowMs: number
  readonly expiresMs: number
}

export function growChordRow(tx: Transaction, id: string, by: number, nowMs: number): void {
  tx.run('update chord set grown=grown+? where id=?', by, id)
  isComplete(tx, id, nowMs)
}

/** Counts a part once, by its task. */
export function joinChordRow(
  tx: Transaction,
  id: string,
  part: { readonly task: string; readonly index: number | undefined; readonly meta: string },
  times: Times,
): 'waiting' | 'complete' {
  ensure(tx, id, times)
  if (tx.get('select 1 as closed from chord where id=? and closed=1', id) !== undefined) return 'waiting'
  const added = tx.run(
    'insert or ignore into chord_part(chord, task, part, meta) values(?,?,?,?)',
    id,
    part.task,
    part.index ?? null,
    part.meta,
  )
  if (added === 1) tx.run('update chord set done=done+1 where id=?', id)
  return isComplete(tx, id, times.nowMs) ? 'complete' : 'waiting'
}

export function chordPartTexts(reader: Reader, id: string, nowMs: number): readonly string[] {
  return reader
    .all(
      `select p.meta from chord_part p join chord c on c.id=p.chord
         where p.chord=? and c.expires>? order by p.part is null, p.part, p.task`,
      id,
      nowMs,
    )
    .map((row) => text(row['meta']))
}

export function closeChordRow(tx: Transaction, id: string): void {
  tx.run('update chord set closed=1, completed=null where id=?', id)
  tx.run('delete from chord_part where chord=?', id)
}

export function completeChordIds(reader: Reader, untilMs: number, nowMs: number): readonly string[] {
  return reader
    .all('select id from chord where completed<=? and closed=0 and expires>?', untilMs, nowMs)
    .map((row) => text(row['id']))
}

function ensure(tx: Transaction, id: string, { nowMs, expiresMs }: Times): void {
  if (tx.run('delete from chord where id=? and expires<=?', id, nowMs) > 0) {
    tx.run('delete from chord_part where chord=?', id)
  }
  tx.run('insert or ignore into chord(id, expires) values(?,?)', id, expiresMs)
}

function isComplete(tx: Transaction, id: string, nowMs: number): boolean {
  const row: Row | undefined = tx.get('select size, grown, done, completed, closed from chord where id=?', id)
  if (row === undefined || row['size'] === null || integer(row['closed']) === 1) return false
  const complete = integer(row['done']) >= integer(row['size']) + integer(row['grown'])
  if (complete !== (row['completed'] !== null)) {
    tx.run('update chord set completed=? where id=?', complete ? nowMs : null, id)
  }
  return complete
}
