import type { Transaction } from './sqlite-commit.ts'

const rows = 500
const quarantine = { messages: 1000, ageMs: 7 * 86_400_000 }

/** Deletes some of what has expired; true while there may be more. Small steps, since every transaction blocks all writers. */
export function deleteExpired(tx: Transaction, nowMs: number): boolean {
  const results = tx.run(
    'delete from result where seq in (select seq from result where expires<? order by expires limit +?)',
    nowMs,
    rows,
  )
  const groups = tx.run('delete from grp where id in (select id from grp where expires<? limit +?)', nowMs, rows)
  tx.run('delete from chord_part where chord in (select id from chord where expires<? limit 20)', nowMs)
  tx.run('delete from open_chord where id in (select id from chord where expires<? limit 20)', nowMs)
  const chords = tx.run('delete from chord where id in (select id from chord where expires<? limit 20)', nowMs)
  tx.run('delete from lock where name in (select name from lock where until<? limit +?)', nowMs, rows)
  trimQuarantine(tx, nowMs)
  return results === rows || groups === rows || chords === 20
}

/** Keeps the newest 1,000 messages of the last 7 days. */
export function trimQuarantine(tx: Transaction, nowMs: number): void {
  tx.run(
    'delete from dead where at<? or id<=(select id from dead order by id desc limit 1 offset +?)',
    nowMs - quarantine.ageMs,
    quarantine.messages,
  )
}
