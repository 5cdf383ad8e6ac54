/** Marks a file as tq's (`pragma application_id`): "tq", then the major of the layout. */
export const applicationId = 0x74710001

/**
 * What each version added to the one before, from 2 on: tables, columns with a default, indexes. Within a major, changes only add.
 * 2: chords whose body has not been sent yet, with what is needed to send it; `at` is when somebody last dealt with one.
 */
export const upgrades: readonly string[] = [
  `create table open_chord(id text primary key, complete integer not null default 0, at integer not null, body text,
    places text, added text not null default '[]') strict, without rowid;
  create index open_chord_at on open_chord(complete, at);`,
]

/** `pragma user_version` that this tq writes and reads. */
export const schemaVersion = 2

/**
 * Version 1. A message's seq stands in exactly one of `ready`, `delayed` and `held` at any time. Those three are narrow, so that a move
 * costs the same however large the body is; `message` is written once and deleted once. AUTOINCREMENT stands where a cursor or
 * a fence depends on numbers that are never used again.
 */
export const schema = `
create table queue(id integer primary key, name text not null unique) strict;
create table binding(id integer primary key, exchange text not null, type text not null, key text not null,
  queue text not null, unique(exchange, key, queue)) strict;

create table message(seq integer primary key, queue integer not null, prio integer not null,
  tries integer not null default 0, at integer not null, body any not null) strict;
create table ready(queue integer not null, prio integer not null, seq integer not null,
  primary key(queue, prio, seq)) strict, without rowid;
create table delayed(due integer not null, seq integer not null, primary key(due, seq)) strict, without rowid;
create table held(peer integer not null, seq integer not null, primary key(peer, seq)) strict, without rowid;
create table dead(id integer primary key autoincrement, queue integer not null, prio integer not null, reason text not null,
  at integer not null, tries integer not null, body any not null) strict;

create table peer(id integer primary key autoincrement, name text not null, kind text not null, host text not null,
  pid integer not null, started integer not null, until integer not null, wants integer not null default 0,
  info text not null default '{}') strict;
create table lock(name text primary key, owner text not null, until integer not null) strict, without rowid;

create table result(seq integer primary key autoincrement, id text not null unique, rank integer not null,
  expires integer not null, meta text not null) strict;
create index result_expires on result(expires);
create table grp(id text primary key, meta text not null, expires integer not null) strict, without rowid;
create index grp_expires on grp(expires);
create table chord(id text primary key, size integer, grown integer not null default 0, done integer not null default 0,
  completed integer, closed integer not null default 0, expires integer not null) strict, without rowid;
create index chord_expires on chord(expires);
create table chord_part(chord text not null, task text not null, part integer, meta text not null,
  primary key(chord, task)) strict, without rowid;

create table fanout(seq integer primary key autoincrement, topic text not null, key text not null, at integer not null,
  body text not null) strict;
`
