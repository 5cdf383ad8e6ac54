import { systemClock, type Timer } from 'tq-runtime'
import { findProject, projectFolder } from 'tq-runtime/loader'
import type { AppInfo } from 'tq-runtime/scan'
import { dirname, join, resolve } from 'node:path'
import { type BrokerPlace, brokerPlace } from './broker-place.ts'
import { chosenApps } from './chosen-apps.ts'
import type { Editor } from './editor.ts'
import { Monitor, type MonitorListener } from './monitor.ts'
import {
  type Folder,
  liveChanged,
  type LiveQueue,
  type LiveWorker,
  outcomes,
  type Target,
  targetsChanged,
} from './protocol.ts'
import type { Texts } from './texts.ts'
import type { WorkerPlace } from './workers.ts'

export interface TargetsOptions {
  readonly editor: Editor
  readonly texts: Texts
  readonly brokerUrl?: string | undefined
  readonly ownWorkers: MonitorListener['ownWorkers']
}

/** One app of a folder, where its broker is, and who follows it. */
export interface TargetEntry {
  readonly id: string
  readonly folder: Folder
  app: AppInfo
  readonly place: WorkerPlace
  broker?: BrokerPlace | undefined
  monitor?: Monitor | undefined
  state: Target['state']
  reason?: string | undefined
  /** Settles when its settings are known, or why they are not. */
  learning: Promise<void>
  readonly gone: AbortController
}

interface Shared {
  readonly monitor: Monitor
  readonly entries: Set<TargetEntry>
}

const settleMs = 1000

/** The apps of a trusted workspace and their brokers. Apps with the same broker share a connection. */
export class Targets {
  readonly #options: TargetsOptions
  readonly #entries = new Map<string, TargetEntry>()
  readonly #shared = new Map<string, Shared>()
  readonly #updates = new Map<string, Timer>()
  readonly #ending = new Set<Promise<void>>()
  #isVisible = false
  #told = ''
  #isTelling = false
  #isClosed = false
  /** One after another: each may be a process of its own. */
  #queue: Promise<void> = Promise.resolve()

  constructor(options: TargetsOptions) {
    this.#options = options
  }

  get(id: string): TargetEntry | undefined {
    return this.#entries.get(id)
  }

  /** The folder's first target, or the one of that app. */
  ofFolder(folder: string): readonly TargetEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.folder.path === folder)
  }

  /** The apps of a folder as the scan found them; once there are some, a change is taken over when typing has paused. */
  update(folder: Folder, apps: readonly AppInfo[]): void {
    this.#updates.get(folder.path)?.cancel()
    if (this.ofFolder(folder.path).length === 0) return this.#update(folder, apps)
    this.#updates.set(
      folder.path,
      systemClock.timer(settleMs, () => this.#update(folder, apps)),
    )
  }

  #update(folder: Folder, apps: readonly AppInfo[]): void {
    if (this.#isClosed) return
    const wanted = chosenApps(folder, apps)
    const ids = new Set(wanted.map((app) => idOf(folder, app)))
    for (const entry of this.ofFolder(folder.path)) if (!ids.has(entry.id)) this.#remove(entry)
    for (const app of wanted) {
      const id = idOf(folder, app)
      const alone = apps.filter(({ file }) => file === app.file).length === 1
      const place = placeOf(folder, app, id, alone)
      const known = this.#entries.get(id)
      if (known?.place.app === place.app) {
        known.app = app
        continue
      }
      if (known) this.#remove(known)
      const entry: TargetEntry = {
        id,
        folder,
        app,
        place,
        state: 'connecting',
        learning: Promise.resolve(),
        gone: new AbortController(),
      }
      this.#entries.set(id, entry)
      this.#learn(entry)
    }
    this.#tell()
  }

  /** Settings may stand anywhere; in an app's module, its package.json or its .env they stand most often. */
  filesChanged(files: readonly string[]): void {
    const touched = new Set(files.map((file) => resolve(file)))
    for (const entry of this.#entries.values()) {
      const { file, project } = entry.place
      const near = [file, join(project, 'package.json'), join(project, '.env')]
      if (near.some((one) => touched.has(one))) this.#learn(entry)
    }
  }

  /** Learns all settings anew and connects anew what is lost. */
  refresh(): void {
    for (const entry of this.#entries.values()) this.#learn(entry)
    for (const { monitor } of this.#shared.values()) if (monitor.state.state !== 'live') monitor.reconnect()
  }

  setVisible(isVisible: boolean): void {
    this.#isVisible = isVisible
    for (const { monitor } of this.#shared.values()) monitor.setVisible(isVisible)
  }

  /** Own workers of that target came or went. */
  workersChanged(id: string): void {
    this.#entries.get(id)?.monitor?.show()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const entry of [...this.#entries.values()]) this.#remove(entry)
    await Promise.all(this.#ending)
  }

  #learn(entry: TargetEntry): void {
    const learning = this.#queue.then(() => this.#learnNow(entry))
    entry.learning = learning
    this.#queue = learning
  }

  async #learnNow(entry: TargetEntry): Promise<void> {
    const { texts, brokerUrl } = this.#options
    const { signal } = entry.gone
    if (signal.aborted) return
    try {
      const project = await findProject({
        cwd: entry.place.project,
        app: entry.place.app,
        broker: brokerUrl,
        signal,
      })
      if (signal.aborted) return
      const broker = brokerPlace(project)
      for (const url of broker.urls) texts.learn(url)
      if (/^memory:/i.test(broker.settings.brokerUrl ?? '')) {
        throw new Error(
          'Its broker is memory://, which lives and dies with the process of the app: nothing to be seen here.',
        )
      }
      this.#attach(entry, broker)
    } catch (error) {
      if (signal.aborted) return
      this.#detach(entry)
      entry.state = 'failed'
      entry.reason = texts.error(error, 500)
      this.#options.editor.log('error', `${entry.place.app}: ${entry.reason}`)
    }
    this.#tell()
  }

  #attach(entry: TargetEntry, broker: BrokerPlace): void {
    if (entry.monitor && entry.broker?.key === broker.key && entry.broker.defaultQueue === broker.defaultQueue) return
    this.#detach(entry)
    const shared = this.#shared.get(broker.key) ?? this.#open(broker)
    shared.entries.add(entry)
    entry.broker = broker
    entry.monitor = shared.monitor
    const { state, reason } = shared.monitor.state
    entry.state = state
    entry.reason = reason
    shared.monitor.start()
    if (shared.entries.size > 1) shared.monitor.show()
  }

  #open(broker: BrokerPlace): Shared {
    const { editor, texts, ownWorkers } = this.#options
    const entries = new Set<TargetEntry>()
    const listener: MonitorListener = {
      onState: ({ state, reason }) => {
        for (const entry of entries) {
          entry.state = state
          entry.reason = reason
        }
        this.#tell()
      },
      onLive: (workers: readonly LiveWorker[], queues: readonly LiveQueue[]) => {
        for (const { id } of entries) editor.send(liveChanged, { target: id, workers, queues })
      },
      onOutcomes: (list, more) => {
        const told = [...entries].flatMap(({ id }) => list.map((one) => ({ target: id, ...one })))
        editor.send(outcomes, { outcomes: told, more })
      },
      ownWorkers,
    }
    const monitor = new Monitor(broker, { editor, texts, listener })
    monitor.setVisible(this.#isVisible)
    const shared = { monitor, entries }
    this.#shared.set(broker.key, shared)
    editor.log('info', `Broker: ${texts.line(broker.name)}${broker.file === undefined ? '' : ` (${broker.file})`}.`)
    return shared
  }

  #detach(entry: TargetEntry): void {
    const { broker } = entry
    entry.monitor = undefined
    entry.broker = undefined
    const shared = broker && this.#shared.get(broker.key)
    if (!shared) return
    shared.entries.delete(entry)
    if (shared.entries.size > 0) return
    this.#shared.delete(broker.key)
    const ending = shared.monitor.close()
    this.#ending.add(ending)
    ending.then(
      () => this.#ending.delete(ending),
      () => this.#ending.delete(ending),
    )
  }

  #remove(entry: TargetEntry): void {
    entry.gone.abort()
    this.#entries.delete(entry.id)
    this.#detach(entry)
  }

  /** All that was changed in one go is told at once. */
  #tell(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    queueMicrotask(() => {
      this.#isTelling = false
      if (this.#isClosed) return
      const targets = [...this.#entries.values()].map((entry) => this.#view(entry))
      const told = JSON.stringify(targets)
      if (told === this.#told) return
      this.#told = told
      this.#options.editor.send(targetsChanged, targets)
    })
  }

  #view({ id, folder, app, place, broker, state, reason }: TargetEntry): Target {
    const { texts } = this.#options
    return {
      id,
      folder: folder.path,
      file: place.file,
      ...(app.main !== undefined && { main: texts.line(app.main) }),
      ...(broker && { broker: texts.line(broker.name) }),
      embedded: broker?.embedded ?? false,
      state,
      ...(reason !== undefined && { reason }),
    }
  }
}

function idOf(folder: Folder, app: AppInfo): string {
  return `${folder.path}#${app.id}`
}

function placeOf(folder: Folder, app: AppInfo, target: string, isAlone: boolean): WorkerPlace {
  const file = resolve(folder.path, app.file)
  const binding = app.id.slice(app.id.lastIndexOf('#') + 1)
  // The loader finds the only app of a module by itself, however it is exported.
  const isNamed = !isAlone && /^[A-Za-z_$][\w$]*$/.test(binding)
  return {
    target,
    folder: folder.path,
    file,
    app: isNamed ? `${file}:${binding}` : file,
    project: projectFolder(dirname(file)),
  }
}
