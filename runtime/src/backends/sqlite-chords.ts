import type { Transaction } from '../drivers/sqlite-commit.ts'
import { integer, type Reader, type Row, text } from '../drivers/sqlite-connection.ts'
import type { ClaimChordsOptions } from './result-backend.ts'

export interface Times {
  readonly nowMs: number
  readonly expiresMs: number
}

/** What is kept with a chord until it is closed, each a document. */
export interface ChordTexts {
  readonly body?: string | undefined
  readonly places?: string | undefined
}

/**
 * A chord's row counts its parts. Parts may come before `openChord` says how many there will be, and a running part may add
 * more. A closed chord stays known until it expires: a part that joins late must not open it again.
 */
export function openChordRow(tx: Transaction, id: string, size: number, texts: ChordTexts, times: Times): void {
  ensure(tx, id, texts.body, times)
  tx.run('update chord set size=? where id=?', size, id)
  if (texts.places !== undefined) tx.run('update open_chord set places=? where id=?', texts.places, id)
  count(tx, id, times.nowMs)
}

/** `places` is a list of what was added, as JSON. What was added before is not counted again. */
export function growChordRow(tx: Transaction, id: string, by: number, places: string, nowMs: number): void {
  const isRepeated = tx.get(
    'select 1 as known from open_chord o, json_each(o.added) a, json_each(?) b where o.id=? and a.value=b.value limit 1',
    places,
    id,
  )
  if (isRepeated !== undefined) return
  tx.run('update chord set grown=grown+? where id=?', by, id)
  const added =
    'select json_group_array(json(value)) from (select value from json_each(added) union all select value from json_each(?))'
  tx.run(`update open_chord set added=(${added}) where id=?`, places, id)
  count(tx, id, nowMs)
}

/** Counts a part once, by its task. */
export function joinChordRow(
  tx: Transaction,
  id: string,
  part: { readonly task: string; readonly index: number | undefined; readonly meta: string },
  body: string | undefined,
  times: Times,
): 'waiting' | 'complete' | 'again' {
  ensure(tx, id, body, times)
  if (tx.get('select 1 as closed from chord where id=? and closed=1', id) !== undefined) return 'waiting'
  const added = tx.run(
    'insert or ignore into chord_part(chord, task, part, meta) values(?,?,?,?)',
    id,
    part.task,
    part.index ?? null,
    part.meta,
  )
  if (added === 1) tx.run('update chord set done=done+1 where id=?', id)
  return count(tx, id, times.nowMs)
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

export interface ChordRowRecord {
  readonly size: number | undefined
  readonly body: string | undefined
  readonly places: string | undefined
  /** JSON, whatever the form of the others. */
  readonly added: string
}

export function chordRecordRow(reader: Reader, id: string, nowMs: number): ChordRowRecord | undefined {
  const row = reader.get(
    `select c.size+c.grown as size, o.body, o.places, o.added from chord c join open_chord o on o.id=c.id
       where c.id=? and c.expires>? and c.closed=0`,
    id,
    nowMs,
  )
  if (row === undefined) return undefined
  const optional = (name: string): string | undefined => (row[name] === null ? undefined : text(row[name]))
  return {
    size: row['size'] === null ? undefined : integer(row['size']),
    body: optional('body'),
    places: optional('places'),
    added: text(row['added']),
  }
}

export function closeChordRow(tx: Transaction, id: string): void {
  tx.run('update chord set closed=1, completed=null where id=?', id)
  tx.run('delete from chord_part where chord=?', id)
  tx.run('delete from open_chord where id=?', id)
}

// What a process of the first version of the file has completed or closed, it has noted in `chord` alone.
const quietChords = `select o.id, c.completed is not null as complete from open_chord o join chord c on c.id=o.id
  where (o.complete=1 and o.at<=? or o.complete=0 and o.at<=?) and c.expires>? and c.closed=0
  order by o.complete desc, o.at limit +?`

type Quiet = ClaimChordsOptions & { readonly nowMs: number }

/** Whether there is anything to claim: asked first, since looking takes no lock. */
export function hasQuietChords(reader: Reader, options: Quiet): boolean {
  return findQuiet(reader, { ...options, limit: 1 }).length > 0
}

export function claimChordRows(tx: Transaction, options: Quiet): readonly { groupId: string; complete: boolean }[] {
  const rows = findQuiet(tx, options)
  for (const row of rows) tx.run('update open_chord set at=? where id=?', options.nowMs, text(row['id']))
  return rows.map((row) => ({ groupId: text(row['id']), complete: integer(row['complete']) === 1 }))
}

function findQuiet(reader: Reader, { completeMs, waitingMs, nowMs, limit }: Quiet): readonly Row[] {
  return reader.all(quietChords, nowMs - completeMs, nowMs - waitingMs, nowMs, limit)
}

function ensure(tx: Transaction, id: string, body: string | undefined, { nowMs, expiresMs }: Times): void {
  if (tx.run('delete from chord where id=? and expires<=?', id, nowMs) > 0) {
    tx.run('delete from chord_part where chord=?', id)
    tx.run('delete from open_chord where id=?', id)
  }
  if (tx.run('insert or ignore into chord(id, expires) values(?,?)', id, expiresMs) === 1) {
    tx.run('insert or replace into open_chord(id, at, body) values(?,?,?)', id, nowMs, body ?? null)
  } else if (body !== undefined) {
    tx.run('update open_chord set body=? where id=? and body is null', body, id)
  }
}

function count(tx: Transaction, id: string, nowMs: number): 'waiting' | 'complete' | 'again' {
  const row: Row | undefined = tx.get('select size, grown, done, completed, closed from chord where id=?', id)
  if (row === undefined || row['size'] === null || integer(row['closed']) === 1) return 'waiting'
  const complete = integer(row['done']) >= integer(row['size']) + integer(row['grown'])
  const before = row['completed'] !== null
  if (complete !== before) {
    tx.run('update chord set completed=? where id=?', complete ? nowMs : null, id)
    tx.run('update open_chord set complete=?, at=? where id=?', complete ? 1 : 0, nowMs, id)
  }
  if (!complete) return 'waiting'
  return before ? 'again' : 'complete'
}
