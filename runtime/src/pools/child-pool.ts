import type { Clock, Timer } from '../core/clock.ts'
import { LoadError } from '../core/errors.ts'
import { type Deferred, deferred } from '../core/lifecycle.ts'
import type { Logger } from '../core/logger.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Child, ChildEnd, FromChild, SpawnChild } from './child.ts'
import type { OnUpdate, Pool, PoolJob, PoolRun } from './pool.ts'

export interface ChildPoolOptions {
  readonly name: string
  readonly capacity: number
  readonly spawn: SpawnChild
  readonly clock: Clock
  readonly logger: Logger
  readonly onUpdate: OnUpdate
  /** What becomes of a run whose child is gone. */
  readonly endings: RunEndings
  /** A child is replaced after so many tasks. Default never. */
  readonly maxTasksPerChild?: number | undefined
  /** A child that holds more after a task (KiB) is replaced. Default never. */
  readonly maxMemoryPerChild?: number | undefined
  /** A child that is not ready after this is killed and counts as one that could not start (ms). Default never. */
  readonly readyWithinMs?: number | undefined
}

/** Outcomes that no child can tell any more. */
export interface RunEndings {
  terminated(signal: NodeJS.Signals): Outcome
  timeout(seconds: number): Outcome
  lost(how: string): Outcome
}

interface Run {
  readonly job: PoolJob
  readonly accepted: Deferred<{ readonly pid: number; readonly atMs: number }>
  readonly outcome: Deferred<Outcome>
  /** Set when the run is to be ended: what it comes to once its child is gone. */
  end: Outcome | undefined
}

/** `starting` -> `idle` <-> `busy`, from each to `ending` (told to stop, or killed) -> gone. */
type SlotState = 'starting' | 'idle' | 'busy' | 'ending'

interface Slot {
  readonly child: Child
  state: SlotState
  run: Run | undefined
  tasks: number
  /** Replaced once its run has ended. */
  isWornOut: boolean
  /** Kills it: when it is not ready in time, later when it ignores its end. */
  killTimer: Timer | undefined
  /** Not ready in time. */
  isLate: boolean
}

const graceMs = 5000
const firstPauseMs = 1000
const longestPauseMs = 30_000

/**
 * Runs each task in a child that runs nothing else meanwhile: a child can be killed without harm to other tasks. A child that dies is
 * replaced; one that cannot even start is reported once and tried again with growing pauses.
 */
export class ChildPool implements Pool {
  readonly name: string
  readonly runsElsewhere = true
  readonly #options: ChildPoolOptions
  readonly #slots = new Set<Slot>()
  readonly #waiting: Run[] = []
  readonly #ended = new Set<() => void>()
  #capacity: number
  #isStopping = false
  #starting: Deferred<void> | undefined
  #failures = 0
  #retry: Timer | undefined

  constructor(options: ChildPoolOptions) {
    this.#options = options
    this.name = options.name
    this.#capacity = options.capacity
  }

  get capacity(): number {
    return this.#capacity
  }

  get busy(): number {
    return this.#runs().length
  }

  get pids(): readonly number[] {
    return [...this.#slots].map(({ child }) => child.pid)
  }

  /** Resolves when the first child is ready. Rejects with LoadError when it ends before. */
  async start(): Promise<void> {
    this.#starting = deferred()
    this.#refill()
    await this.#starting.promise
  }

  run(job: PoolJob): PoolRun {
    const run: Run = { job, accepted: deferred(), outcome: deferred(), end: undefined }
    const { endings } = this.#options
    if (this.#isStopping) run.outcome.resolve(endings.terminated('SIGTERM'))
    else this.#waiting.push(run)
    this.#assign()
    return {
      accepted: run.accepted.promise,
      outcome: run.outcome.promise,
      terminate: (signal) => this.#end(run, signal, endings.terminated(signal)),
      expire: (seconds) => this.#end(run, 'SIGTERM', endings.timeout(seconds)),
    }
  }

  async grow(by: number): Promise<void> {
    this.#capacity += by
    this.#refill()
  }

  /** Idle children go first; one that is busy ends after its task. At least one stays. */
  async shrink(by: number): Promise<void> {
    this.#capacity = Math.max(1, this.#capacity - by)
    const inOrder = [...this.#slots]
      .filter(isLasting)
      .sort((a, b) => Number(a.state === 'busy') - Number(b.state === 'busy'))
    for (const slot of inOrder.slice(0, Math.max(0, inOrder.length - this.#capacity))) this.#retire(slot)
  }

  /** Replaces every child; what runs ends first. */
  async restart(): Promise<void> {
    for (const slot of [...this.#slots].filter(isLasting)) this.#retire(slot)
    this.#refill()
  }

  async stop(mode: 'drain' | 'kill', deadlineMs: number): Promise<readonly PoolJob[]> {
    const { clock } = this.#options
    this.#isStopping = true
    this.#retry?.cancel()
    if (mode === 'drain') await this.#until(() => this.#runs().length === 0, deadlineMs)
    const unfinished = this.#runs()
    for (const run of unfinished) this.#end(run, 'SIGTERM', this.#options.endings.terminated('SIGTERM'))
    for (const slot of this.#slots) if (slot.state !== 'ending') this.#retire(slot)
    // Whoever does not go is killed after the grace; that takes no time worth waiting for twice.
    await this.#until(() => this.#slots.size === 0, clock.monotonic() + 2 * graceMs)
    return unfinished.map(({ job }) => job)
  }

  #runs(): readonly Run[] {
    return [...this.#waiting, ...[...this.#slots].flatMap(({ run }) => run ?? [])]
  }

  // --- children -------------------------------------------------------------------------------------------------------

  #refill(): void {
    while (!this.#isStopping && this.#retry === undefined && this.#lasting() < this.#capacity) this.#spawn()
  }

  #lasting(): number {
    return [...this.#slots].filter(isLasting).length
  }

  #spawn(): void {
    const made: { slot?: Slot } = {}
    const child = this.#options.spawn({
      onMessage: (message) => made.slot && this.#hear(made.slot, message),
      onEnd: (end) => made.slot && this.#gone(made.slot, end),
    })
    const slot: Slot = {
      child,
      state: 'starting',
      run: undefined,
      tasks: 0,
      isWornOut: false,
      killTimer: undefined,
      isLate: false,
    }
    made.slot = slot
    this.#slots.add(slot)
    const { clock, readyWithinMs } = this.#options
    if (readyWithinMs === undefined) return
    slot.killTimer = clock.timer(readyWithinMs, () => {
      slot.isLate = true
      child.kill('SIGKILL')
    })
  }

  #hear(slot: Slot, message: FromChild): void {
    switch (message.op) {
      case 'ready':
        this.#starting?.resolve()
        if (slot.state !== 'starting') return
        slot.killTimer?.cancel()
        slot.state = 'idle'
        return this.#assign()
      case 'update':
        return void this.#store(slot, message.seq, message.update)
      case 'outcome':
        return this.#finished(slot, message.outcome, message.memoryKb)
    }
  }

  async #store(slot: Slot, seq: number, update: Parameters<OnUpdate>[0]): Promise<void> {
    let error: string | undefined
    try {
      await this.#options.onUpdate(update)
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown)
    }
    slot.child.send({ op: 'stored', seq, error })
  }

  #finished(slot: Slot, outcome: Outcome, memoryKb: number): void {
    const { maxTasksPerChild = Infinity, maxMemoryPerChild = Infinity, logger } = this.#options
    const { run } = slot
    // Being killed at this moment: its end tells.
    if (!run || run.end) return
    slot.run = undefined
    slot.tasks++
    this.#failures = 0
    if (memoryKb > maxMemoryPerChild) {
      logger.warn(
        `A child of the ${this.name} pool (pid ${slot.child.pid}) holds ${Math.round(memoryKb / 1024)} MB, more than workerMaxMemoryPerChild allows; it is replaced.`,
      )
    }
    if (slot.isWornOut || slot.tasks >= maxTasksPerChild || memoryKb > maxMemoryPerChild) {
      this.#retire(slot)
      this.#refill()
    } else if (slot.state === 'busy') slot.state = 'idle'
    run.outcome.resolve(outcome)
    this.#assign()
    this.#told()
  }

  /** It takes no more tasks; at once when it is idle, else after the one that it runs. */
  #retire(slot: Slot): void {
    slot.isWornOut = true
    if (slot.run) return
    slot.state = 'ending'
    slot.child.send({ op: 'stop' })
    this.#killLater(slot)
  }

  #killLater(slot: Slot): void {
    slot.killTimer?.cancel()
    slot.killTimer = this.#options.clock.timer(graceMs, () => slot.child.kill('SIGKILL'))
  }

  #gone(slot: Slot, end: ChildEnd): void {
    this.#slots.delete(slot)
    const { run, state, isLate } = slot
    const how = isLate ? `it was not ready within ${(this.#options.readyWithinMs ?? 0) / 1000} s` : describeEnd(end)
    slot.killTimer?.cancel()
    run?.outcome.resolve(run.end ?? this.#options.endings.lost(how))
    // One that is ready and dies before its first task would else be replaced as fast as processes can be started.
    if (state === 'starting' || (state === 'idle' && slot.tasks === 0)) this.#couldNotStart(end, how)
    this.#refill()
    this.#assign()
    this.#told()
  }

  #couldNotStart(end: ChildEnd, how: string): void {
    if (this.#isStopping) return
    const { clock, logger } = this.#options
    const error = new LoadError(`A child of the ${this.name} pool could not start (${how}). ${end.said.trim()}`.trim())
    this.#starting?.reject(error)
    // Its neighbours of the same round fail for the same reason.
    if (this.#retry) return
    if (this.#failures++ === 0) logger.error(`${error.message} It is tried again with growing pauses.`)
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#failures - 1))
    this.#retry = clock.timer(pauseMs, () => {
      this.#retry = undefined
      this.#refill()
    })
  }

  // --- runs -----------------------------------------------------------------------------------------------------------

  #assign(): void {
    for (const slot of this.#slots) {
      if (this.#waiting.length === 0) return
      if (slot.state !== 'idle') continue
      const run = this.#waiting.shift()
      if (!run) return
      slot.state = 'busy'
      slot.run = run
      slot.child.send({ op: 'run', job: run.job })
      run.accepted.resolve({ pid: slot.child.pid, atMs: this.#options.clock.now() })
    }
  }

  /** Ends a run for good: its child with it, if it has one. */
  #end(run: Run, signal: NodeJS.Signals, outcome: Outcome): void {
    if (run.end) return
    const at = this.#waiting.indexOf(run)
    run.end = outcome
    if (at >= 0) {
      this.#waiting.splice(at, 1)
      run.outcome.resolve(outcome)
      return
    }
    const slot = [...this.#slots].find((one) => one.run === run)
    if (!slot) return
    slot.state = 'ending'
    slot.child.kill(signal)
    if (slot.child.canIgnore && signal !== 'SIGKILL') this.#killLater(slot)
  }

  #told(): void {
    for (const listener of this.#ended) listener()
  }

  /** Whether it came true before the deadline (monotonic). */
  #until(isTrue: () => boolean, deadlineMs: number): Promise<boolean> {
    if (isTrue()) return Promise.resolve(true)
    const { clock } = this.#options
    const result = deferred<boolean>()
    const end = (value: boolean): void => {
      this.#ended.delete(check)
      timer?.cancel()
      result.resolve(value)
    }
    const check = (): void => {
      if (isTrue()) end(true)
    }
    const timer = Number.isFinite(deadlineMs)
      ? clock.timer(deadlineMs - clock.monotonic(), () => end(false), { ref: true })
      : undefined
    this.#ended.add(check)
    return result.promise
  }
}

function isLasting(slot: Slot): boolean {
  return slot.state !== 'ending' && !slot.isWornOut
}

function describeEnd({ code, signal, said }: ChildEnd): string {
  const how = signal ? `signal ${signal}` : `exit code ${code}`
  return said.includes('heap out of memory') ? `${how}, out of memory` : how
}
