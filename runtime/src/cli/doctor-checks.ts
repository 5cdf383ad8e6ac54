import { relative } from 'node:path'
import type { TqApp } from '../app/tq.ts'
import { isTqError, LoadError } from '../core/errors.ts'
import { version } from '../core/version.ts'
import type { InspectAnswer, Replies } from '../control/control.ts'
import { emptyCluster, reduceEvents, type WorkerView } from '../events/cluster-state.ts'
import { subscribeEvents } from '../events/receiver.ts'
import { type LoadedApp } from '../run/loader.ts'
import type { DoctorFlags } from './doctor-command.ts'
import { openApp, openLoaded } from './open-app.ts'

export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail' | 'skip'
  /** `node`, `app`, `tasks`, `names`, `serializers`, `file`, `broker`, `results`, `workers`, `clock`. */
  readonly what: string
  readonly says: string
  /** What to do, in the imperative. */
  readonly todo?: string | undefined
}

const oldestNode: readonly [number, number] = [22, 18]
/** Beyond it ETAs and expiries are visibly off. Celery warns from 15 s on, when tasks are long past. */
const mostSkewMs = 2000
const mostNamed = 5

/** One check after the other, each told as soon as it is done. None throws. */
export async function* checkAll(flags: DoctorFlags): AsyncGenerator<Finding> {
  yield checkNode()
  const loaded = await attempt(() => openLoaded(flags))
  if (loaded instanceof Failed) {
    yield loaded.as('app')
    // With a broker in the environment or on the command line the rest can be looked at all the same.
    const bare = loaded.error instanceof LoadError ? await attempt(() => openApp(flags)) : loaded
    if (!(bare instanceof Failed)) yield* checkApp(bare, flags)
    return
  }
  yield* checkProject(loaded)
  yield* checkApp(loaded.app, flags)
}

async function* checkApp(app: TqApp, flags: DoctorFlags): AsyncGenerator<Finding> {
  try {
    yield checkSerializers(app)
    const files = await checkFiles(app)
    yield* files
    if (files.some(({ level }) => level === 'fail')) return
    const broker = await checkBroker(app)
    yield broker
    yield await checkResults(app)
    if (broker.level !== 'fail') yield* checkWorkers(app, flags.timeout * 1000)
  } finally {
    await app.close()
  }
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const enough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
  const says = `Node ${process.versions.node}, tq ${version}`
  return enough
    ? { level: 'ok', what: 'node', says }
    : { level: 'fail', what: 'node', says, todo: 'Update Node to 22.18 or later.' }
}

async function* checkProject({ app, file, taskFiles, failures, projectFolder }: LoadedApp): AsyncGenerator<Finding> {
  const shown = (path: string): string => relative(process.cwd(), path) || path
  yield { level: 'ok', what: 'app', says: `${app.main} in ${shown(file)}` }
  for (const one of failures) {
    const where = `${shown(one.file)}${one.line === undefined ? '' : `:${one.line}`}`
    yield {
      level: 'fail',
      what: 'tasks',
      says: `${where} could not be imported: ${one.message}`,
      todo: 'Its tasks are not registered anywhere until it can be.',
    }
  }
  const names = app.registry.names()
  yield names.length > 0
    ? { level: 'ok', what: 'tasks', says: `${names.length} tasks from ${taskFiles.length} files` }
    : {
        level: 'warn',
        what: 'tasks',
        says: 'no tasks',
        todo: 'Define one with app.task(name, fn), and name its module in include.',
      }
  yield* await checkSource(projectFolder, app)
}

/** What the source says beside what was imported; needs ts-morph. */
async function checkSource(folder: string, app: TqApp): Promise<readonly Finding[]> {
  const found = await attempt(async () => {
    const { ScanClient } = await import('../scan/scan-client.ts')
    const client = new ScanClient()
    try {
      return await client.open(folder)
    } finally {
      await client.stop()
    }
  })
  if (found instanceof Failed)
    return [{ level: 'skip', what: 'names', says: `the source was not scanned: ${found.says}` }]
  const findings: Finding[] = []
  for (const one of found.diagnostics.filter(({ code }) => code === 'duplicate-task')) {
    findings.push({
      level: 'fail',
      what: 'names',
      says: `${one.file}:${one.range.line}: ${one.message}`,
      todo: 'Give one of them another name.',
    })
  }
  const registered = new Set(app.registry.names())
  // Names that are only known at run time cannot be compared; those of tests are not the project's.
  const inSource = new Set(
    found.tasks.filter((one) => !one.inTest && one.naming !== 'dynamic').flatMap((one) => one.name ?? []),
  )
  const missing = [...inSource].filter((name) => !registered.has(name))
  const unseen = found.tasks.some(({ naming }) => naming === 'dynamic')
    ? []
    : [...registered].filter((name) => !inSource.has(name))
  if (missing.length > 0) {
    findings.push({
      level: 'warn',
      what: 'names',
      says: `in the source but not registered: ${list(missing)}`,
      todo: 'Add their modules to include, or they run nowhere.',
    })
  }
  if (unseen.length > 0)
    findings.push({
      level: 'ok',
      what: 'names',
      says: `registered, defined outside the scanned source: ${list(unseen)}`,
    })
  if (findings.length === 0)
    findings.push({ level: 'ok', what: 'names', says: 'source and registry agree, no name is defined twice' })
  return findings
}

function checkSerializers(app: TqApp): Finding {
  const { taskSerializer, resultSerializer, acceptContent } = app.settings
  const wanted = new Map<string, string>([
    ['taskSerializer', taskSerializer],
    ['resultSerializer', resultSerializer],
    ...app.registry.names().flatMap((name): [string, string][] => {
      const serializer = app.registry.get(name)?.definition.options.serializer
      return serializer === undefined ? [] : [[`task ${name}`, serializer]]
    }),
  ])
  for (const [who, name] of wanted) {
    const known = attemptNow(() => app.serializers.get(name))
    if (known !== undefined) return { level: 'fail', what: 'serializers', says: `${who}: ${known}` }
    const type = app.serializers.get(name).contentType
    if (who !== 'resultSerializer' && !acceptContent.includes(name) && !acceptContent.includes(type)) {
      return {
        level: 'fail',
        what: 'serializers',
        says: `${who} writes ${name}, which acceptContent (${acceptContent.join(', ')}) refuses`,
        todo: `Add '${name}' to acceptContent of every worker.`,
      }
    }
  }
  return { level: 'ok', what: 'serializers', says: [...new Set(wanted.values())].join(', ') }
}

async function checkFiles(app: TqApp): Promise<readonly Finding[]> {
  const { paths, inspectFile } = await app.connections.fileCare()
  return paths.map((path): Finding => {
    const report = inspectFile(path)
    if (!report.exists) return { level: 'ok', what: 'file', says: `${path} is made at the first use` }
    if (report.fault) return { level: 'fail', what: 'file', says: report.fault.message }
    if (report.problems.length > 0) {
      return {
        level: 'fail',
        what: 'file',
        says: `${path} is damaged: ${list(report.problems)}`,
        todo: 'End what uses it, then `tq doctor --reset` moves it aside; what can be read is saved by `sqlite3 <file> .recover`.',
      }
    }
    const { ready, delayed, held, quarantined, results } = report.counts
    const dead = report.peers.filter(({ state }) => state === 'stopped')
    const says = `${path}: sound, ${report.bytes + report.walBytes} bytes; ${ready} ready, ${delayed} parked, ${held} held, ${quarantined} quarantined, ${results} results`
    return dead.length === 0
      ? { level: 'ok', what: 'file', says }
      : {
          level: 'warn',
          what: 'file',
          says,
          todo: `Stopped, keeping what they hold: ${list(dead.map(({ name, pid }) => `${name} (process ${pid})`))}. Continue or end them.`,
        }
  })
}

async function checkBroker(app: TqApp): Promise<Finding> {
  const startMs = app.clock.monotonic()
  const info = await attempt(async () => (await app.connections.transport()).queueInfo(app.settings.taskDefaultQueue))
  if (info instanceof Failed) return info.as('broker')
  const ms = Math.round(app.clock.monotonic() - startMs)
  const { ready, held, parked } = info
  return {
    level: 'ok',
    what: 'broker',
    says: `${app.brokerName()} answered in ${ms} ms; queue ${app.settings.taskDefaultQueue}: ${ready} ready, ${held} held, ${parked} parked`,
  }
}

async function checkResults(app: TqApp): Promise<Finding> {
  const name = await attempt(async () => {
    const backend = await app.connections.backend()
    await backend.fetch(['tq-doctor'])
    return backend.name
  })
  return name instanceof Failed ? name.as('results') : { level: 'ok', what: 'results', says: name }
}

/** Who answers, whether they know the project's tasks, run this version, and have the right time. */
async function* checkWorkers(app: TqApp, timeoutMs: number): AsyncGenerator<Finding> {
  const heard = await attempt(() => listen(app))
  if (heard instanceof Failed) yield heard.as('workers')
  const registered = await attempt(() => app.control.inspect('registered', { timeoutMs }))
  if (registered instanceof Failed) yield registered.as('workers')
  else if (Object.keys(registered).length === 0) {
    yield {
      level: app.connections.embedded ? 'ok' : 'warn',
      what: 'workers',
      says: `none answered within ${timeoutMs / 1000} s`,
      todo: app.connections.embedded
        ? 'Calls start one by themselves; `tq worker` keeps one.'
        : 'Start one: tq worker. Tasks stay in their queue until then.',
    }
  } else {
    yield { level: 'ok', what: 'workers', says: list(Object.keys(registered).sort()) }
    yield* olderCode(app, registered)
    // The embedded broker's workers have our own clock; of others each sends a heartbeat every two seconds.
    if (!(heard instanceof Failed) && !app.connections.embedded) {
      await app.clock.sleep(heartbeatMs)
      yield* otherVersions(heard.workers(), Object.keys(registered))
      yield* wrongClocks(heard.skews)
    }
  }
  if (!(heard instanceof Failed)) await heard.close()
}

interface Heard {
  /** How far each sender's clock is behind ours, by node name. */
  readonly skews: ReadonlyMap<string, number>
  workers(): ReadonlyMap<string, WorkerView>
  close(): Promise<void>
}

async function listen(app: TqApp): Promise<Heard> {
  const skews = new Map<string, number>()
  let cluster = emptyCluster()
  const listening = await subscribeEvents(await app.connections.transport(), (events) => {
    const nowMs = app.clock.now()
    cluster = reduceEvents(cluster, events, nowMs)
    for (const event of events) if (event.type !== 'task-sent') skews.set(event.hostname, nowMs - event.timestampMs)
  })
  return { skews, workers: () => cluster.workers, close: () => listening.close() }
}

function olderCode(app: TqApp, registered: Replies<InspectAnswer['registered']>): readonly Finding[] {
  const own = app.registry.names().filter((name) => app.registry.get(name)?.definition.external !== true)
  return Object.entries(registered).flatMap(([node, answer]): Finding[] => {
    if (!Array.isArray(answer)) return []
    // With attributes a name is followed by them.
    const known = new Set(answer.map((one: unknown) => String(one).split(' ')[0]))
    const missing = own.filter((name) => !known.has(name))
    // A worker that knows none of them is another project's.
    if (missing.length === 0 || missing.length === own.length) return []
    const todo = 'It runs older code: restart it.'
    return [{ level: 'warn', what: 'workers', says: `${node} does not know ${list(missing)}`, todo }]
  })
}

function otherVersions(workers: ReadonlyMap<string, WorkerView>, nodes: readonly string[]): readonly Finding[] {
  return nodes.flatMap((node): Finding[] => {
    const { swIdent, swVer } = workers.get(node) ?? {}
    if (swIdent !== 'tq' || swVer === version) return []
    const says = `${node} runs tq ${swVer}, here is ${version}`
    return [{ level: 'warn', what: 'workers', says, todo: 'Update one of them.' }]
  })
}

function wrongClocks(skews: ReadonlyMap<string, number>): readonly Finding[] {
  const off = [...skews].filter(([, skewMs]) => Math.abs(skewMs) > mostSkewMs)
  if (off.length === 0) {
    if (skews.size === 0) return []
    return [{ level: 'ok', what: 'clock', says: `within ${mostSkewMs / 1000} s of ${list([...skews.keys()])}` }]
  }
  return off.map(([node, skewMs]) => ({
    level: 'warn',
    what: 'clock',
    says: `${node} is ${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? 'behind' : 'ahead'}`,
    todo: 'Set the clocks (NTP): ETAs and expiries depend on them.',
  }))
}

const heartbeatMs = 2500

/** What a check met in place of what it wanted. */
class Failed {
  readonly level = 'fail'
  readonly says: string
  readonly error: unknown

  constructor(error: unknown) {
    this.says = wordsOf(error)
    this.error = error
  }

  as(what: string): Finding {
    return { level: 'fail', what, says: this.says }
  }
}

async function attempt<T>(run: () => Promise<T>): Promise<T | Failed> {
  try {
    return await run()
  } catch (error) {
    return new Failed(error)
  }
}

function attemptNow(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return wordsOf(error)
  }
}

function wordsOf(error: unknown): string {
  if (isTqError(error)) return error.message
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function list(names: readonly string[]): string {
  const more = names.length - mostNamed
  return names.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
