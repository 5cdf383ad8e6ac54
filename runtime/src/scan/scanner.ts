import { realpathSync } from 'node:fs'
import ignore from 'ignore'
import { ScanError } from '../core/errors.ts'
import { defaultCacheFile } from './cache.ts'
import { callFaults, collisions } from './diagnostics.ts'
import { Evaluator } from './evaluate.ts'
import { type LinkedFile, linkFile, type Target } from './find-tasks.ts'
import { admitted, isSource, pathWithin } from './list-files.ts'
import { stemOf } from './resolve-module.ts'
import { Spelling } from './spelling.ts'
import { meets } from './stars.ts'
import type { CallSite, Diagnostic, ScanDiff, ScanResult, TaskInfo } from './task-info.ts'
import { type FileChange, Workspace } from './workspace.ts'

export interface ScannerOptions {
  /** Where summaries are kept between runs; null is nowhere. Default `node_modules/.cache/tq/scan.json`, nowhere without node_modules. */
  readonly cacheFile?: string | null | undefined
  /** Files whose definitions never collide, in the language of .gitignore. Default: tests, specs, fixtures. */
  readonly tests?: readonly string[] | undefined
}

/** Something happened to a file outside the editor. */
export interface FileEvent {
  /** Absolute, or relative to the folder. */
  readonly file: string
  readonly kind: 'created' | 'changed' | 'deleted'
}

const testFiles = [
  '*.test.*',
  '*.spec.*',
  '*.bench.*',
  '__tests__/',
  '__fixtures__/',
  'fixtures/',
  '/test/',
  '/tests/',
  'packages/*/test/',
  'packages/*/tests/',
  'e2e/',
]

/**
 * Knows the tasks of one folder and stays up to date: files as they are on disk, unless an editor's buffer stands in their place.
 * One call at a time; each gives what it changed. Nothing of the user's code is run.
 */
export class Scanner {
  readonly folder: string
  readonly #workspace: Workspace
  readonly #evaluator: Evaluator
  readonly #aliases: Evaluator
  readonly #tests: ReturnType<typeof ignore>
  readonly #linked = new Map<string, LinkedFile>()
  readonly #tasks = new Map<string, TaskInfo>()
  readonly #named = new Map<string, Set<string>>()
  readonly #spelling = new Spelling()
  /** Files with calls by that name. */
  readonly #callers = new Map<string, Set<string>>()
  readonly #collisions = new Map<string, readonly Diagnostic[]>()
  readonly #callFaults = new Map<string, readonly Diagnostic[]>()
  readonly #reported = new Map<string, string>()
  #apps = new Set<string>()
  #skipped = ''
  #stale = ''
  #appList = ''
  #generation = 0

  private constructor(folder: string, options: ScannerOptions) {
    this.folder = folder
    const cacheFile = options.cacheFile === undefined ? defaultCacheFile(folder) : (options.cacheFile ?? undefined)
    this.#workspace = new Workspace(folder, cacheFile)
    this.#evaluator = new Evaluator(this.#workspace.all)
    this.#aliases = new Evaluator(this.#workspace.likely)
    this.#tests = ignore().add([...(options.tests ?? testFiles)])
  }

  /** Scans a folder. Throws ScanError when it cannot be read, or when there is source to parse and no ts-morph. */
  static async open(folder: string, options: ScannerOptions = {}): Promise<Scanner> {
    let real: string
    try {
      real = realpathSync(folder)
    } catch (cause) {
      throw new ScanError(`Cannot read the folder ${folder}: it does not exist, or is not yours to read.`, { cause })
    }
    try {
      return await Scanner.#scan(real, options)
    } catch (error) {
      if (error instanceof ScanError || options.cacheFile === null) throw error
      // A cache that another hand has written may hold anything.
      return Scanner.#scan(real, { ...options, cacheFile: null })
    }
  }

  static async #scan(folder: string, options: ScannerOptions): Promise<Scanner> {
    const scanner = new Scanner(folder, options)
    await scanner.#workspace.load()
    scanner.#apply([])
    return scanner
  }

  /** Everything that is known now. */
  snapshot(): ScanResult {
    const { folder } = this
    const files = [...this.#linked.keys()].sort()
    const linked = files.flatMap((file) => this.#linked.get(file) ?? [])
    return {
      folder,
      generation: this.#generation,
      apps: linked.flatMap((one) => one.apps),
      tasks: linked.flatMap((one) => one.tasks),
      calls: linked.flatMap((one) => one.calls),
      diagnostics: files.flatMap((file) => this.#diagnosticsOf(file)),
      skipped: this.#workspace.skipped(),
      stale: this.#workspace.stale(),
      files: { listed: this.#workspace.size, ...this.#workspace.counts },
    }
  }

  /** The text of an open buffer, saved or not. A version older than the last one changes nothing. */
  async change(file: string, text: string, version: number): Promise<ScanDiff> {
    const path = this.#within(file)
    if (path === undefined) return this.#apply([])
    const known = this.#workspace.has(path) || (await admitted(this.folder, [path])).length > 0
    return this.#apply(known ? [this.#workspace.change(path, text, version)] : [])
  }

  /** The buffer is closed: the file on disk counts again. */
  close(file: string): ScanDiff {
    const path = this.#within(file)
    return this.#apply(path === undefined ? [] : [this.#workspace.close(path)])
  }

  /** Files that were made, changed or deleted; of package.json, tsconfig.json and .gitignore too. */
  async fsEvents(events: readonly FileEvent[]): Promise<ScanDiff> {
    const paths = new Set<string>()
    let config = false
    for (const { file } of events) {
      const path = this.#within(file)
      if (path === undefined) continue
      if (isConfig(path)) config = true
      else if (isSource(path)) paths.add(path)
    }
    const unknown = [...paths].filter((path) => !this.#workspace.has(path))
    const allowed = new Set(await admitted(this.folder, unknown))
    const changes: (FileChange | undefined)[] = []
    for (const path of paths) {
      if (this.#workspace.has(path) || allowed.has(path)) changes.push(this.#workspace.refresh(path))
    }
    if (!config) return this.#apply(changes)
    changes.push(...(await this.#workspace.resetConfig()))
    return this.#apply(changes, true)
  }

  /** Writes what a later `open` starts from. */
  saveCache(): void {
    this.#workspace.save()
  }

  /** Loads the parser now, so that the first edit does not pay for it. */
  warm(): void {
    this.#workspace.warm()
  }

  #within(file: string): string | undefined {
    return pathWithin(this.folder, file)
  }

  /** Links what the changes concern, again and again while new aliases wake further files, and says what is different. */
  #apply(given: readonly (FileChange | undefined)[], everything = false): ScanDiff {
    const changes = given.filter((one) => one !== undefined)
    const before = new Map<string, LinkedFile | undefined>()
    const changed = new Set<string>()
    for (const { file, surface, names, presence } of changes) {
      if (surface) changed.add(file)
      if (names) changed.add(`>${file}`)
      if (presence) changed.add(`?${stemOf(file)}`)
    }
    const first = this.#generation === 0 || everything
    let queue = new Set(changes.map((one) => one.file))
    if (first) for (const file of this.#workspace.roots()) queue.add(file)
    if (everything) for (const file of this.#linked.keys()) queue.add(file)
    this.#forget(everything ? undefined : changed, queue)
    while (queue.size > 0) {
      const targets = new Map<string, Target>()
      for (const file of queue) this.#link(file, before, targets)
      const woken = this.#workspace.addAliases(this.#newAliases(queue))
      queue = new Set(woken)
      // Files that were asked before an alias was known, and those that asked.
      if (woken.length > 0) this.#forget(new Set(woken.flatMap((file) => [file, `>${file}`])), queue)
    }
    this.#generation++
    return this.#diff(before)
  }

  /** Drops what rests on these keys, or all that was worked out; files that did are queued. */
  #forget(changed: ReadonlySet<string> | undefined, queue: Set<string>): void {
    const keys = changed && this.#aliases.widened(this.#evaluator.widened(changed))
    for (const one of [this.#evaluator, this.#aliases]) one.forget(keys)
    if (!keys || keys.size === 0) return
    for (const [file, { files }] of this.#linked) if (meets(keys, files)) queue.add(file)
  }

  #link(file: string, before: Map<string, LinkedFile | undefined>, targets: Map<string, Target>): void {
    const old = this.#linked.get(file)
    if (!before.has(file)) before.set(file, old)
    if (old) this.#unlink(file, old)
    const summary = this.#workspace.isRoot(file) ? this.#workspace.summary(file) : undefined
    if (!summary) return
    const linking = {
      folder: this.folder,
      evaluator: this.#evaluator,
      aliases: this.#aliases,
      targets,
      summary: (path: string) => this.#workspace.summary(path),
      isTest: (path: string) => this.#tests.ignores(path),
    }
    const linked = linkFile(linking, file, summary, this.#workspace.isStale(file))
    this.#linked.set(file, linked)
    for (const task of linked.tasks) {
      this.#tasks.set(task.id, task)
      if (task.name !== undefined) addTo(this.#named, task.name, task.id)
    }
    for (const { task } of byName(linked.calls)) addTo(this.#callers, task, file)
  }

  #unlink(file: string, old: LinkedFile): void {
    this.#linked.delete(file)
    for (const task of old.tasks) {
      this.#tasks.delete(task.id)
      if (task.name !== undefined) removeFrom(this.#named, task.name, task.id)
    }
    for (const { task } of byName(old.calls)) removeFrom(this.#callers, task, file)
  }

  /** Exports of these files that are `task` of an app under another name. */
  #newAliases(files: ReadonlySet<string>): ReadonlySet<string> {
    const found = new Set<string>()
    for (const file of files) {
      const summary = this.#workspace.isRoot(file) ? this.#workspace.summary(file) : undefined
      if (!summary) continue
      for (const [name, expr] of Object.entries(summary.exports)) {
        const inner = expr.k === 'ref' ? summary.bindings[expr.to] : expr
        if (!inner || !['prop', 'element', 'ref', 'call', 'import'].includes(inner.k) || isMakerName(name)) continue
        if (inner.k === 'call' && inner.draft !== undefined) continue
        const value = this.#aliases.run(file, expr, new Set())
        const isMaker =
          (value.t === 'method' && value.name === 'task') || (value.t === 'library' && value.name === 'sharedTask')
        if (isMaker) found.add(name)
      }
    }
    return found
  }

  #diff(before: ReadonlyMap<string, LinkedFile | undefined>): ScanDiff {
    const added: TaskInfo[] = []
    const changed: TaskInfo[] = []
    const removed: string[] = []
    const calls: { file: string; calls: readonly CallSite[] }[] = []
    const names = new Set<string>()
    for (const [file, old] of before) {
      const now = this.#linked.get(file)
      const had = new Map((old?.tasks ?? []).map((task) => [task.id, task]))
      for (const task of now?.tasks ?? []) {
        const was = had.get(task.id)
        had.delete(task.id)
        if (was && JSON.stringify(was) === JSON.stringify(task)) continue
        if (was) changed.push(task)
        else added.push(task)
        for (const one of [was?.name, task.name]) if (one !== undefined) names.add(one)
      }
      for (const [id, task] of had) {
        removed.push(id)
        if (task.name !== undefined) names.add(task.name)
      }
      const own = now?.calls ?? []
      if (!isSame(old?.calls ?? [], own)) calls.push({ file, calls: own })
    }
    const touched = this.#recheck(names, before.keys())
    return {
      generation: this.#generation,
      versions: this.#workspace.versions(),
      added,
      changed,
      removed,
      calls,
      diagnostics: this.#changedDiagnostics(touched),
      ...this.#changedLists(),
    }
  }

  /** Checks collisions of the names and calls by name where either has changed; gives the files concerned. */
  #recheck(names: Set<string>, files: Iterable<string>): ReadonlySet<string> {
    const touched = new Set(files)
    const apps = new Set<string>()
    for (const [file, one] of this.#linked) {
      if (one.apps.length > 0 && !this.#tests.ignores(file)) for (const { id } of one.apps) apps.add(id)
    }
    if (apps.size !== this.#apps.size) for (const name of this.#named.keys()) names.add(name)
    this.#apps = apps
    for (const name of names) {
      if (this.#named.has(name)) this.#spelling.add(name)
      else this.#spelling.remove(name)
      const tasks = [...(this.#named.get(name) ?? [])].flatMap((id) => this.#tasks.get(id) ?? []).sort(byPlace)
      const found = collisions(name, tasks, apps.size)
      for (const { file } of [...(this.#collisions.get(name) ?? []), ...found]) touched.add(file)
      if (found.length > 0) this.#collisions.set(name, found)
      else this.#collisions.delete(name)
    }
    const callers = new Set(touched)
    for (const name of names) for (const file of this.#callers.get(name) ?? []) callers.add(file)
    // A name nobody defines may now be near to one that somebody does.
    if (names.size > 0) for (const [file, found] of this.#callFaults) if (found.some(isUnknown)) callers.add(file)
    for (const file of callers) {
      const found = (this.#linked.get(file)?.calls ?? []).flatMap((call) =>
        callFaults(
          call,
          (name) => this.#tasksNamed(name),
          (name) => this.#spelling.nearest(name),
        ),
      )
      if (found.length > 0) this.#callFaults.set(file, found)
      else this.#callFaults.delete(file)
      touched.add(file)
    }
    return touched
  }

  #tasksNamed(name: string): readonly TaskInfo[] {
    return [...(this.#named.get(name) ?? [])].flatMap((id) => this.#tasks.get(id) ?? [])
  }

  #diagnosticsOf(file: string): readonly Diagnostic[] {
    const linked = this.#linked.get(file)
    if (!linked) return []
    const names = new Set(linked.tasks.flatMap((task) => task.name ?? []))
    const shared = [...names].flatMap((name) => (this.#collisions.get(name) ?? []).filter((one) => one.file === file))
    const all = [...linked.diagnostics, ...shared, ...(this.#callFaults.get(file) ?? [])]
    return all.sort((a, b) => a.range.start - b.range.start)
  }

  #changedDiagnostics(files: ReadonlySet<string>): ScanDiff['diagnostics'] {
    return [...files].sort().flatMap((file) => {
      const diagnostics = this.#diagnosticsOf(file)
      const text = diagnostics.length === 0 ? '' : JSON.stringify(diagnostics)
      if ((this.#reported.get(file) ?? '') === text) return []
      if (text === '') this.#reported.delete(file)
      else this.#reported.set(file, text)
      return [{ file, diagnostics }]
    })
  }

  #changedLists(): Pick<ScanDiff, 'apps' | 'skipped' | 'stale'> {
    const apps = [...this.#linked.values()].flatMap((one) => one.apps)
    const [skipped, stale] = [this.#workspace.skipped(), this.#workspace.stale()]
    const texts = [apps, skipped, stale].map((one) => JSON.stringify(one))
    const [appText = '', skippedText = '', staleText = ''] = texts
    const changed = {
      ...(appText !== this.#appList && { apps }),
      ...(skippedText !== this.#skipped && { skipped }),
      ...(staleText !== this.#stale && { stale }),
    }
    this.#appList = appText
    this.#skipped = skippedText
    this.#stale = staleText
    return changed
  }
}

function isSame(a: readonly CallSite[], b: readonly CallSite[]): boolean {
  return a.length === b.length && (a.length === 0 || JSON.stringify(a) === JSON.stringify(b))
}

function isConfig(path: string): boolean {
  return /(?:^|\/)(?:package\.json|[tj]sconfig[^/]*\.json|\.gitignore)$/.test(path)
}

function isMakerName(name: string): boolean {
  return name === 'task' || name === 'sharedTask'
}

function isUnknown({ code }: Diagnostic): boolean {
  return code === 'unknown-task'
}

function byPlace(a: TaskInfo, b: TaskInfo): number {
  return a.file === b.file ? a.range.start - b.range.start : a.file < b.file ? -1 : 1
}

function byName(calls: readonly CallSite[]): readonly (CallSite & { readonly task: string })[] {
  return calls.flatMap((call) => {
    const { task, method } = call
    return task !== undefined && (method === 'sendTask' || method === 'signature') ? [{ ...call, task }] : []
  })
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key)
  if (set) set.add(value)
  else map.set(key, new Set([value]))
}

function removeFrom(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key)
  set?.delete(value)
  if (set?.size === 0) map.delete(key)
}
