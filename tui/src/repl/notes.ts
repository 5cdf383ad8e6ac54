import type { EngineEnd } from './engine-client.ts'
import type { FollowNote, Ready } from './protocol.ts'

/** `12 ms · worker w1 · 8c1f3e`: how a followed task went. The random end of a UUIDv7 tells tasks apart, its start does not. */
export function followNote(followed: FollowNote, ms: number): string {
  const where = followed.eager
    ? 'eager'
    : followed.worker === undefined
      ? undefined
      : `worker ${shortWorker(followed.worker)}`
  return [duration(ms), where, simulated(followed), followed.eager ? undefined : followed.taskId.slice(-6)]
    .filter((part) => part !== undefined)
    .join(' · ')
}

/** `4 attempts, 7 s of simulated time`, where retries or an ETA took some. */
function simulated({ simulated: went }: FollowNote): string | undefined {
  if (went === undefined || (went.attempts <= 1 && went.simulatedMs === 0)) return undefined
  return `${countOf(went.attempts, 'attempt')}, ${Math.round(went.simulatedMs / 100) / 10} s of simulated time`
}

export function duration(ms: number): string {
  if (ms < 1) return `${ms.toFixed(1)} ms`
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/** `tq · app "shop" (src/app.ts) · broker embedded · 14 tasks · worker w1 started (ephemeral)      .help, add? or .examples` */
export function banner(ready: Ready, worker: string | undefined, columns: number): string {
  if (ready.app === undefined) return 'tq · no app · TypeScript only      .help'
  const file = ready.file === undefined ? '' : ` (${ready.file.replace(`${ready.projectFolder}/`, '')})`
  const first = ready.tasks.find(({ binding }) => binding !== undefined)?.binding
  const parts = [
    'tq',
    `app "${ready.app}"${file}`,
    `broker ${ready.broker}`,
    countOf(ready.tasks.length, 'task'),
    ready.eager ? 'eager' : worker,
  ]
  const line = parts.filter((part) => part !== undefined && part !== '').join(' · ')
  const help = `.help${first === undefined ? '' : `, ${first}?`} or .examples`
  // One line: a narrow terminal gets less of it.
  return [`${line}      ${help}`, `${line}  ${help}`, `${line}  .help`].find((text) => text.length < columns) ?? line
}

/** `embedded> `, `eager> `, `redis:local> `; without an app `ts> `. */
export function promptOf(ready: Ready | undefined, eager: boolean): string {
  if (ready === undefined) return '… '
  if (eager) return 'eager> '
  return ready.app === undefined ? 'ts> ' : `${shortBroker(ready.broker)}> `
}

export function restartNote(end: EngineEnd): string {
  const lost = end.bindings === 0 ? '' : `, ${countOf(end.bindings, 'binding')} lost`
  return `${endNote(end)}; engine restarted${lost}, .rerun`
}

export function endNote(end: EngineEnd | undefined): string {
  if (end?.killed === true) return 'The code could not be interrupted'
  return end?.code === null || end === undefined
    ? `The engine died of ${end?.signal ?? 'an error'}`
    : `The code called process.exit(${end.code})`
}

/**
 * What to say when a task is still PENDING after three seconds and no worker is known. A running task may be PENDING too, as
 * workers report a start only with `taskTrackStarted`: hence the "if".
 */
export function waitingNote(broker: string): string {
  return `Still PENDING on ${broker}. If no worker consumes its queue, start one: npx tq worker. Ctrl-C stops waiting.`
}

function shortBroker(broker: string): string {
  const url = /^([a-z+]+):\/\/(?:[^@/]*@)?([^:/]*)/u.exec(broker)
  if (url === null) return broker
  const host = url[2] === 'localhost' || url[2] === '127.0.0.1' || url[2] === '' ? 'local' : url[2]
  return `${url[1]}:${host}`
}

/** `w1` of `w1@box`. */
export function shortWorker(hostname: string): string {
  return hostname.split('@')[0] ?? hostname
}

/** `1 task`, `2 tasks`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
