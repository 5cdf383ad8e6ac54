import type { InspectQuery, Replies, ReplyOptions } from '../control/control.ts'
import type { TqApp } from '../app/tq.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, toJson } from './output.ts'

export interface InspectFlags extends AppLineFlags {
  readonly timeout: number
  readonly destination?: readonly string[]
  readonly list?: boolean
}

export interface ControlFlags extends InspectFlags {
  readonly terminate?: boolean
  readonly signal?: NodeJS.Signals
}

const queries = [
  'active',
  'reserved',
  'scheduled',
  'registered',
  'stats',
  'revoked',
  'activeQueues',
  'queryTask',
  'report',
  'conf',
  'clock',
] as const satisfies readonly InspectQuery[]

/** `tq inspect active`: the answers of the workers. Names as Celery writes them (`active_queues`) are read, too. */
export async function runInspect(
  name: string | undefined,
  args: readonly string[],
  flags: InspectFlags,
  output: Output,
): Promise<void> {
  if (flags.list || name === undefined) return output.data([...queries, 'ping', 'workflow'].join('\n'))
  await withApp(flags, async (app) => {
    const options = repliesOf(flags)
    if (name === 'ping') return show(await app.control.ping(options), flags, app, output)
    const query = queries.find((one) => one === camelCase(name))
    if (!query) throw unknown('question', name, [...queries, 'ping', 'workflow'])
    if (query === 'queryTask' && args.length === 0) throw usage('tq inspect queryTask wants the ids of tasks.')
    const more = query === 'queryTask' ? { ids: args } : query === 'registered' ? { taskInfo: args } : {}
    show(await app.control.inspect(query, { ...options, ...more }), flags, app, output)
  })
}

type Command = (app: TqApp, args: readonly string[], flags: ControlFlags) => Promise<Replies<unknown> | string>

const commands: Readonly<Record<string, Command>> = {
  revoke: async (app, ids, flags) => {
    if (ids.length === 0) throw usage('tq control revoke wants the ids of tasks.')
    await app.control.revoke(ids, revokingOf(flags))
    return `Told the workers not to run ${ids.length === 1 ? 'it' : 'them'}.`
  },
  revokeByStampedHeaders: async (app, args, flags) => {
    await app.control.revokeByStampedHeaders(stampsOf(args), revokingOf(flags))
    return `Told the workers not to run tasks with ${args.join(' or ')}.`
  },
  rateLimit: (app, [task, rate], flags) => {
    if (task === undefined || rate === undefined) throw usage('tq control rateLimit wants a task and a rate: add 10/m')
    return app.control.rateLimit(task, rate, repliesOf(flags))
  },
  timeLimit: (app, [task, soft, hard], flags) => {
    if (task === undefined || soft === undefined)
      throw usage('tq control timeLimit wants a task and seconds: add 30 60')
    const limits = { soft: numberOf(soft), hard: hard === undefined ? null : numberOf(hard) }
    return app.control.timeLimit(task, limits, repliesOf(flags))
  },
  poolGrow: (app, [n = '1'], flags) => app.control.poolGrow(numberOf(n), repliesOf(flags)),
  poolShrink: (app, [n = '1'], flags) => app.control.poolShrink(numberOf(n), repliesOf(flags)),
  autoscale: (app, [max, min], flags) => {
    if (max === undefined || min === undefined) throw usage('tq control autoscale wants the most and the least: 10 3')
    return app.control.autoscale(numberOf(max), numberOf(min), repliesOf(flags))
  },
  addConsumer: (app, [queue], flags) => {
    if (queue === undefined) throw usage('tq control addConsumer wants the name of a queue.')
    return app.control.addConsumer(queue, repliesOf(flags))
  },
  cancelConsumer: (app, [queue], flags) => {
    if (queue === undefined) throw usage('tq control cancelConsumer wants the name of a queue.')
    return app.control.cancelConsumer(queue, repliesOf(flags))
  },
  enableEvents: (app, _, flags) => app.control.enableEvents(repliesOf(flags)),
  disableEvents: (app, _, flags) => app.control.disableEvents(repliesOf(flags)),
  heartbeat: async (app, _, { destination }) => {
    await app.control.heartbeat({ destination })
    return 'Told the workers to show that they live.'
  },
  shutdown: async (app, _, { destination }) => {
    await app.control.shutdown({ destination })
    return `Told ${destination?.join(', ') ?? 'all workers'} to shut down.`
  },
}

/** `tq control revoke <id>`: what the workers answer, or that they were told. */
export async function runControl(
  name: string | undefined,
  args: readonly string[],
  flags: ControlFlags,
  output: Output,
): Promise<void> {
  const names = Object.keys(commands)
  if (flags.list || name === undefined) return output.data(names.join('\n'))
  const command = Object.hasOwn(commands, camelCase(name)) ? commands[camelCase(name)] : undefined
  if (!command) throw unknown('command', name, names)
  await withApp(flags, async (app) => {
    const answer = await command(app, args, flags)
    if (typeof answer !== 'string') return show(answer, flags, app, output)
    output.data(flags.json ? toJson({ broker: app.brokerName(), done: answer }) : printable(answer))
  })
}

function show(replies: Replies<unknown>, flags: InspectFlags, app: TqApp, output: Output): void {
  const nodes = Object.keys(replies).sort()
  if (flags.json) output.data(toJson({ broker: app.brokerName(), workers: replies }))
  else for (const node of nodes) output.data(printable(`${node}\n${indented(replies[node])}`))
  if (nodes.length > 0) return
  throw new CommandEnd(
    exitCodes.noWorker,
    `No worker answered within ${flags.timeout} s on ${app.brokerName()}. Start one: tq worker`,
  )
}

function indented(value: unknown): string {
  const text = Array.isArray(value) && value.length === 0 ? '- empty -' : linesOf(value)
  return text.replaceAll(/^/gm, '    ')
}

function linesOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'ok' in value && typeof value.ok === 'string') return value.ok
  if (typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string') {
    return `Error: ${value.error}`
  }
  if (!Array.isArray(value)) return toJson(value, 2)
  const list: readonly unknown[] = value
  return list.map((one) => `* ${typeof one === 'string' ? one : toJson(one)}`).join('\n')
}

async function withApp(flags: AppLineFlags, run: (app: TqApp) => Promise<void>): Promise<void> {
  const app = await openApp(flags)
  try {
    await run(app)
  } finally {
    await app.close()
  }
}

function repliesOf({ timeout, destination }: InspectFlags): ReplyOptions {
  return { timeoutMs: timeout * 1000, destination }
}

function revokingOf({ terminate, signal, destination }: ControlFlags) {
  return { terminate, signal, destination }
}

/** `order=17`: several values of one name are a list. */
function stampsOf(args: readonly string[]): Readonly<Record<string, readonly unknown[]>> {
  const stamps: Record<string, unknown[]> = {}
  for (const text of args) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
    if (name === undefined || value === undefined) throw usage(`expected a stamp as name=value, got '${text}'`)
    ;(stamps[name] ??= []).push(value, ...literalOf(value))
  }
  if (args.length === 0) throw usage('tq control revokeByStampedHeaders wants stamps as name=value.')
  return stamps
}

/** A stamp `17` may have been the number or the text. */
function literalOf(text: string): readonly unknown[] {
  if (text === 'true' || text === 'false') return [text === 'true']
  return /^-?\d+(?:\.\d+)?$/.test(text) ? [Number(text)] : []
}

function numberOf(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value)) throw usage(`expected a number, got '${text}'`)
  return value
}

/** Celery's `pool_grow` and `pool-grow` are ours. */
function camelCase(name: string): string {
  return name.replaceAll(/[_-](\w)/g, (_, letter: string) => letter.toUpperCase())
}

function unknown(what: string, name: string, all: readonly string[]): CommandEnd {
  return usage(`No ${what} is called '${name}'. There are: ${all.join(', ')}.`)
}

function usage(message: string): CommandEnd {
  return new CommandEnd(exitCodes.usage, message)
}
