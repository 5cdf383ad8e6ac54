import type { Tq } from 'tq-runtime'
import type { InspectAnswer, Refusal } from 'tq-runtime/monitor'

const answerMs = 1500
const longestList = 200

/** Asks one worker everything there is to ask; its answers as lines to read. Rejects when it does not answer. */
export async function inspectLines(app: Tq, hostname: string): Promise<readonly string[]> {
  const options = { destination: [hostname], timeoutMs: answerMs }
  const startedMs = app.clock.monotonic()
  const pong = await app.control.ping(options)
  const ms = Math.round(app.clock.monotonic() - startedMs)
  if (pong[hostname] === undefined) throw new Error(`${hostname} did not answer within ${answerMs / 1000} s.`)
  const [stats, queues, active, reserved, scheduled, registered, revoked] = await Promise.all([
    app.control.inspect('stats', options),
    app.control.inspect('activeQueues', options),
    app.control.inspect('active', options),
    app.control.inspect('reserved', options),
    app.control.inspect('scheduled', options),
    app.control.inspect('registered', options),
    app.control.inspect('revoked', options),
  ])
  return [
    `pong in ${ms} ms`,
    ...told('', stats[hostname], statsLines),
    ...told('queues', queues[hostname], (list) => [list.map(({ name }) => name).join(', ')]),
    ...told('active', active[hostname], (list) => list.map(taskLine)),
    ...told('reserved', reserved[hostname], (list) => list.map(taskLine)),
    ...told('scheduled', scheduled[hostname], (list) => list.map(({ eta, request }) => `${eta} ${taskLine(request)}`)),
    ...told('registered', registered[hostname], (list) => [`${list.length} tasks`, ...list]),
    ...told('revoked', revoked[hostname], (list) => [`${list.length}`]),
  ]
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

function isRefusal(value: object): value is Refusal {
  return 'error' in value && !('pool' in value)
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
