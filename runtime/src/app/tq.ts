import type { ResultBackend } from '../backends/result-backend.ts'
import type { Message } from '../core/message.ts'
import type { SignatureData } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import { AppCore, type TqOptions } from './app-core.ts'
import { AsyncResult } from './async-result.ts'
import { builtInTasks } from './built-in-tasks.ts'
import { callerSite } from './call-site.ts'
import type { CallOptions } from './call-options.ts'
import { Caller, type HandleOf, type ManyCall } from './calling.ts'
import { Signature, taskData } from './canvas.ts'
import type { Lineage, RunningPart } from './canvas-calls.ts'
import { callDirectly } from './direct-call.ts'
import { defineClass, defineExternal, defineTask } from './defining.ts'
import type { ClassTaskOptions, DefineClass, DefineTask, DefinitionArguments } from './definition.ts'
import type { EagerRunner } from './eager-calls.ts'
import type { EagerResult } from './eager-result.ts'
import { type GroupResult, ResultSet } from './group-result.ts'
import { type EnsuredWorker, OwnWorker } from './own-worker.ts'
import type { PublishOptions } from './publish.ts'
import { Registry } from './registry.ts'
import type { Call } from './send.ts'
import { isSharedTask } from './shared-task.ts'
import type { AnyTask, Task, TaskFunction, TaskOptions } from './task.ts'
import type { RunnableClass } from './task-class.ts'
import type { Workflow, WorkflowOptions } from './workflow.ts'

export { appBrand, type TqOptions } from './app-core.ts'

/** What the floors above give an app. */
export interface AppParts {
  eagerRunner(app: TqApp): Promise<EagerRunner>
}

/**
 * One application: its tasks, settings and connections. Nothing is connected before the first use; `close()` ends all of it.
 * The package's `Tq` adds what stands on higher floors (workers).
 */
export class TqApp extends AppCore {
  readonly registry = new Registry()
  /** Globs given to `autodiscoverTasks`. */
  readonly discovered: string[] = []
  readonly #caller: Caller
  readonly #worker: OwnWorker
  readonly #definedIn: string | undefined
  readonly #closers: (() => Promise<void>)[] = []

  constructor(main: string, options: TqOptions, parts: AppParts) {
    super(main, options)
    this.#caller = new Caller(this, () => parts.eagerRunner(this))
    this.#worker = new OwnWorker(this)
    this.#definedIn = callerSite()?.file
    for (const task of builtInTasks(this)) this.registry.addBuiltIn(task)
  }

  // --- defining -----------------------------------------------------------------------------------------------------

  /**
   * Defines a task: `app.task(name?, options?, fn)`. Throws DuplicateTaskError, or TaskNameError where no name is given and none can be
   * derived.
   */
  readonly task: DefineTask = (...given: DefinitionArguments): never =>
    defineTask(this, given, this.#definedIn) as never // of the type that its definition has inferred

  /**
   * Defines a task by a class with a method `run`: `app.registerTask(name?, options?, Send)`. One instance serves all runs in a process.
   * Throws as `task` does.
   */
  readonly registerTask: DefineClass = (...given: readonly (string | ClassTaskOptions | RunnableClass)[]): never =>
    defineClass(this, given, this.#definedIn) as never // of the type that its class says

  /** A task that is implemented elsewhere: `app.external<typeof add>('math.add')`, or with a function type for Python's. */
  external<F extends TaskFunction | AnyTask>(
    name: string,
    options: TaskOptions = {},
  ): F extends Task<infer A, infer R>
    ? Task<A, R>
    : F extends TaskFunction
      ? Task<Parameters<F>, ReturnType<F>>
      : never {
    const task: unknown = defineExternal(this, name, options)
    return task as ReturnType<typeof this.external<F>> // the caller's word: there is no implementation to infer from
  }

  /** Adopts the shared tasks among a module's exports. */
  use(module: Readonly<Record<string, unknown>>): void {
    for (const value of Object.values(module)) {
      if (isSharedTask(value)) this.registry.register(value.adopt(this))
    }
  }

  /** Adds a glob of task modules, relative to the app's file, to those that the loader imports. */
  autodiscoverTasks(pattern = './**/tasks{,/**/*}.{ts,js}'): void {
    this.discovered.push(pattern)
  }

  /** The registered tasks, by name. */
  tasks(): readonly AnyTask[] {
    return this.registry.names().map((name) => this.registry.require(name))
  }

  // --- calling ------------------------------------------------------------------------------------------------------

  /** Sends a call by name; nothing of the task needs to be known here. */
  sendTask<R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<AsyncResult<R>> {
    return this.send<R>({ task: name, args, options: { ...options, kwargs } })
  }

  /** A signature by name: what `add.s(...)` makes. */
  signature(
    name: string,
    args: readonly unknown[] = [],
    options: { readonly immutable?: boolean; readonly kwargs?: Readonly<Record<string, unknown>> } = {},
  ): Signature<never[], unknown> {
    return new Signature(this, taskData(name, args, { immutable: options.immutable ?? false, kwargs: options.kwargs }))
  }

  /** The signature of a canvas that is data already, e.g. read from Python's dict. */
  canvas<R = unknown, H = AsyncResult<R>>(data: SignatureData): Signature<[], R, H> {
    return new Signature(this, data)
  }

  /** Runs one call here, whatever the app's mode: what `task.apply()` does. */
  apply<R>(call: Call, propagates = this.settings.taskEagerPropagates): Promise<EagerResult<R>> {
    return this.#caller.apply(call, propagates)
  }

  /** Encodes and publishes one call, or runs it here when the app is eager. */
  send<R>(call: Call): Promise<AsyncResult<R>> {
    return this.#caller.send(call)
  }

  /**
   * Sends many calls, tasks and canvases, in few writes over the one connection; their handles come in the order of the calls. Nothing is
   * sent when one of them cannot be encoded or routed. Rejects with OperationalError, which says how many were sent before the broker was lost.
   */
  sendMany<const C extends readonly ManyCall[]>(
    calls: C,
    options?: PublishOptions,
  ): Promise<{ -readonly [K in keyof C]: HandleOf<C[K]> }>
  sendMany<R = unknown>(calls: Iterable<ManyCall<R>>, options?: PublishOptions): Promise<AsyncResult<R>[]>
  sendMany(calls: Iterable<ManyCall>, options: PublishOptions = {}): Promise<unknown> {
    return this.#caller.sendMany(calls, options)
  }

  /** Sends a signature: a task or a canvas. `H` is the handle on what it gives. */
  sendSignature<H>(signature: SignatureData, options: CallOptions = {}): Promise<H> {
    return this.#caller.sendSignature(signature, options)
  }

  /** @internal Runs a canvas here. */
  applySignature<H>(signature: SignatureData): Promise<H> {
    return this.#caller.applySignature(signature)
  }

  /** @internal The signature with all of its ids, and the handle on what it will give. */
  freezeSignature<H>(signature: SignatureData): { readonly signature: SignatureData; readonly result: H } {
    return this.#caller.freeze(signature)
  }

  /** @internal What a worker sends after a task that has ended. */
  sendFollowing(signature: SignatureData, lineage: Lineage, steps?: readonly SignatureData[]): Promise<ResultRef> {
    return this.#caller.sendFollowing(signature, lineage, steps)
  }

  /** @internal Where results are kept, the eager ones while the app is eager. */
  resultBackend(): Promise<ResultBackend> {
    return this.#caller.backend()
  }

  /** @internal Puts a canvas in the place of the task that runs. */
  sendReplacement(replaced: Message, signature: SignatureData): Promise<void> {
    return this.#caller.sendReplacement(replaced, signature)
  }

  /** @internal Makes a canvas a part of the chord that the task which runs is a part of. */
  sendPart<H>(running: RunningPart, signature: SignatureData): Promise<H> {
    return this.#caller.sendPart(running, signature)
  }

  /** A handle on a call that was sent before. */
  result<R = unknown>(id: string): AsyncResult<R> {
    return new AsyncResult<R>(this.#caller.source(), id)
  }

  /**
   * What the canvas consists of that this id belongs to (a task of it, its result or a group), where each part is, and why it has
   * not ended. Looks into queues and asks the workers, which takes about a second.
   */
  async workflow(id: string, options: WorkflowOptions = {}): Promise<Workflow> {
    const { workflowOf } = await import('./workflow.ts') // most programs never ask
    return workflowOf(this, id, options)
  }

  /** A group's result that was saved with `GroupResult.save()`, here or by Python; undefined when there is none. */
  async restoreGroup<R = unknown>(id: string): Promise<GroupResult<R[]> | undefined> {
    const source = this.#caller.source()
    const group = await (await source.backend()).fetchGroup(id)
    return group && (source.resultOf(group) as GroupResult<R[]>) // a reference with members
  }

  /** Several results to be asked together. */
  resultSet<R>(results: Iterable<AsyncResult<R>> = []): ResultSet<R[]> {
    return new ResultSet<R[]>(this.#caller.source(), results)
  }

  /** @internal `add(2, 2)`. */
  callDirectly(task: AnyTask, args: readonly never[]): unknown {
    return callDirectly(this, task, args)
  }

  // --- workers and the end ------------------------------------------------------------------------------------------

  /**
   * On an embedded broker: sees to it that a worker consumes `queue`, starting one as a child process where none does.
   * Elsewhere nothing is started. Rejects with LoadError when the started worker ends at once.
   */
  ensureWorker(queue: string = this.settings.taskDefaultQueue): Promise<EnsuredWorker> {
    return this.#worker.ensure(queue)
  }

  /** What a worker consumes that is told nothing else: `taskQueues`, or the default queue and those that tasks name. */
  workerQueues(): readonly string[] {
    const { names } = this.router.queues
    if (this.settings.taskQueues !== undefined) return names
    return [...new Set([...names, ...this.tasks().flatMap((task) => task.definition.options.queue ?? [])])]
  }

  /** Has `close` call this first, newest first. */
  onClose(fn: () => Promise<void>): void {
    this.#closers.push(fn)
  }

  /** Ends everything that this app opened or started, even if a part of it fails to end; rejects with the first failure. Idempotent. */
  override async close(): Promise<void> {
    const failures: unknown[] = []
    const end = async (close: () => Promise<void>): Promise<void> => {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    for (let closer = this.#closers.pop(); closer; closer = this.#closers.pop()) await end(closer)
    await end(() => this.#caller.close())
    await end(() => super.close())
    await end(() => this.#worker.stop())
    if (failures.length > 0) throw failures[0]
  }
}
