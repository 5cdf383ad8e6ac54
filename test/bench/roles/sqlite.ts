import { DatabaseSync } from 'node:sqlite'
import { ownMark, serve } from '../role.ts'

let db: DatabaseSync

interface Volume {
  readonly count: number
  readonly batch: number
  /** One message of tq's. */
  readonly text: string
}

// The tables of the broker and nothing else: no leases, no bells, no envelopes.
const schema = `
create table message(seq integer primary key, queue integer not null, prio integer not null, at integer not null, body any not null) strict;
create table ready(queue integer not null, prio integer not null, seq integer not null, primary key(queue, prio, seq)) strict, without rowid;
create table held(peer integer not null, seq integer not null, primary key(peer, seq)) strict, without rowid;
create table result(seq integer primary key autoincrement, id text not null unique, expires integer not null, meta text not null) strict;
create index result_expires on result(expires);`

serve({
  open: (path: string) => {
    db = new DatabaseSync(path)
    db.exec('pragma journal_mode=wal; pragma synchronous=normal; pragma wal_autocheckpoint=2000')
    db.exec(schema)
  },
  /** Messages per second, `batch` of them per commit. */
  insert: ({ count, batch, text }: Volume) => {
    const message = db.prepare('insert into message(queue,prio,at,body) values(1,0,0,?)')
    const ready = db.prepare('insert into ready(queue,prio,seq) values(1,0,?)')
    const begin = ownMark()
    for (let at = 0; at < count; at += batch) {
      db.exec('begin immediate')
      for (let n = 0; n < batch; n++) ready.run(message.run(text).lastInsertRowid)
      db.exec('commit')
    }
    return (count * 1000) / (ownMark().atMs - begin.atMs)
  },
  /** Claim, result and acknowledgement of `batch` messages per commit. */
  consume: ({ count, batch }: Volume) => {
    const claim = db.prepare(
      'select m.seq, m.body from (select seq from ready where queue=1 order by prio,seq limit ?) r cross join message m on m.seq=r.seq',
    )
    const take = db.prepare('delete from ready where queue=1 and prio=0 and seq=?')
    const hold = db.prepare('insert into held(peer,seq) values(1,?)')
    const release = db.prepare('delete from held where peer=1 and seq=?')
    const drop = db.prepare('delete from message where seq=?')
    const store = db.prepare('insert into result(id,expires,meta) values(?,0,?)')
    const meta = JSON.stringify({ status: 'SUCCESS', result: 3, traceback: null, children: [], date_done: 'now' })
    const begin = ownMark()
    let claimed: readonly number[] = []
    for (let done = 0; done < count; ) {
      db.exec('begin immediate')
      for (const seq of claimed) {
        store.run(`0199-0000-7000-${String(seq).padStart(12, '0')}`, meta)
        release.run(seq)
        drop.run(seq)
      }
      done += claimed.length
      claimed = claim.all(batch).map((row) => Number(row['seq']))
      for (const seq of claimed) {
        take.run(seq)
        hold.run(seq)
      }
      db.exec('commit')
      if (claimed.length === 0) break
    }
    return (count * 1000) / (ownMark().atMs - begin.atMs)
  },
  close: () => db.close(),
})
