import type { Clock } from '../core/clock.ts'
import { type Control, type InspectAnswer, isRefusal, type Refusal } from './control.ts'

const longestList = 200

/** What one worker answered to everything that can be asked. */
export interface WorkerDescription {
  /** Between the ping and its answer. */
  readonly pongMs: number
  /** For people: `pool       async, 100 at once`; lists are cut at 200 lines. Foreign text: clean it before it is shown. */
  readonly lines: readonly string[]
}

/** Asks one worker everything there is to ask. Rejects when it does not answer a ping within `timeoutMs`. */
export async function describeWorker(
  { control, clock }: { readonly control: Control; readonly clock: Clock },
  hostname: string,
  timeoutMs: number,
): Promise<WorkerDescription> {
  const options = { destination: [hostname], timeoutMs }
  const startedMs = clock.monotonic()
  const pong = await control.ping(options)
  const pongMs = Math.round(clock.monotonic() - startedMs)
  if (pong[hostname] === undefined) throw new Error(`${hostname} did not answer within ${timeoutMs / 1000} s.`)
  const [stats, queues, active, reserved, scheduled, registered, revoked] = await Promise.all([
    control.inspect('stats', options),
    control.inspect('activeQueues', options),
    control.inspect('active', options),
    control.inspect('reserved', options),
    control.inspect('scheduled', options),
    control.inspect('registered', options),
    control.inspect('revoked', options),
  ])
  const lines = [
    `pong in ${pongMs} ms`,
    ...told('', stats[hostname], statsLines),
    ...told('queues', queues[hostname], (list) => [list.map(({ name }) => name).join(', ')]),
    ...told('active', active[hostname], (list) => list.map(taskLine)),
    ...told('reserved', reserved[hostname], (list) => list.map(taskLine)),
    ...told('scheduled', scheduled[hostname], (list) => list.map(({ eta, request }) => `${eta} ${taskLine(request)}`)),
    ...told('registered', registered[hostname], (list) => [`${list.length} tasks`, ...list]),
    ...told('revoked', revoked[hostname], (list) => [`${list.length}`]),
  ]
  return { pongMs, lines }
}

/** Lines of one answer under its title; nothing where there is none. */
function told<T extends object>(
  title: string,
  answer: T | Refusal | undefined,
  lines: (value: T) => readonly string[],
): readonly string[] {
  if (answer === undefined) return []
  const all = isRefusal(answer) ? [answer.error] : lines(answer)
  if (title === '') return all
  const [first = 'none', ...rest] = all.slice(0, longestList)
  return [`${title.padEnd(11)}${first}`, ...rest.map((line) => `${' '.repeat(11)}${line}`)]
}

function statsLines({ pool, prefetchCount, uptime, broker }: InspectAnswer['stats']): readonly string[] {
  return [
    `pool       ${pool.implementation}, ${pool.maxConcurrency} at once`,
    `prefetch   ${prefetchCount}`,
    `up         ${Math.floor(uptime)} s`,
    `broker     ${broker.transport} ${broker.hostname}${broker.port === undefined ? '' : `:${broker.port}`}`,
  ]
}

function taskLine({ id, name, args }: InspectAnswer['active'][number]): string {
  return `${name} ${id} ${typeof args === 'string' ? args : JSON.stringify(args)}`
}
