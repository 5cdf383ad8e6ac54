import { ConnectionError, EncodeError, StoreError } from '../core/errors.ts'
import type { Message } from '../core/message.ts'
import { type Failure, type Outcome, type Settlement, settlementOf, type StoredState } from '../core/outcome.ts'
import { isReady, type ResultRef, type TaskMeta } from '../core/states.ts'
import type { JobStoring, StateUpdate } from '../pools/pool.ts'
import type { Delivery, Settled } from '../transports/transport.ts'
import { mayRepeat, publishNext, publishRetry } from './canvas-run.ts'
import { type ChordDeps, joinChord } from '../app/chord-join.ts'
import { announceSettled } from './announce.ts'
import type { Execution } from './execution.ts'
import type { ExecutorDeps } from './executor.ts'
import { failureOf, rejectedError, revokedError } from './failure.ts'
import { emitSettled, logSettled } from './tell-settled.ts'

const firstPauseMs = 50
const longestPauseMs = 5000

/**
 * Applies the settlement table: next steps published, result stored, message acknowledged, events emitted, in this order, so
 * that a crash at any point repeats work instead of losing it. Storing and acknowledging are one step where broker and result
 * backend are one server. While the server is away everything is tried again until the worker gives up.
 */
export class Settler {
  readonly #deps: ExecutorDeps

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
  }

  async settle(execution: Execution, outcome: Outcome): Promise<Outcome> {
    try {
      return await this.#settle(execution, outcome)
    } catch (error) {
      // The value cannot be serialised: found before anything was published or stored, so that is how the task ended.
      if (!(error instanceof EncodeError) || outcome.kind !== 'success') throw error
      const named = new EncodeError(error.path.replace(/^\./, ''), error.reason, { cause: error })
      const failure = failureOf(named, this.#deps.app.main)
      return this.#settle(execution, { kind: 'failure', failure, children: outcome.children })
    }
  }

  async #settle(execution: Execution, outcome: Outcome): Promise<Outcome> {
    const { message } = execution
    const row = settlementOf(outcome, execution.policy)
    const name = `${message.task}[${message.id}]`
    // Nothing follows what is put back into its queue: it stores nothing either.
    const follows = row.next === 'retry' || (row.store !== undefined && hasNext(message))
    const children = follows ? await this.#nextSteps(execution, outcome) : []
    const record = this.#recordOf(execution, withChildren(execution, outcome, children), row.store)
    const settled = await this.#storeAndAck(execution, outcome, row, record)
    if (settled === 'lost') {
      this.#deps.logger.warn(
        `Task ${name} was handed to another worker before it could be acknowledged here; the first result that was stored stands.`,
      )
    }
    emitSettled(this.#deps, execution, outcome, row)
    logSettled(this.#deps, execution, outcome)
    const told = row.store === undefined ? undefined : announceSettled(this.#deps, execution, outcome)
    if (told) await told
    return outcome
  }

  async #nextSteps(execution: Execution, outcome: Outcome): Promise<readonly ResultRef[]> {
    const { message } = execution
    const name = `${message.task}[${message.id}]`
    if (outcome.kind === 'retry') {
      await this.insist(`send the retry of ${name}`, () => publishRetry(this.#deps, execution, outcome))
      return []
    }
    const sender = { ...message, repeated: mayRepeat(execution) }
    const sent = await this.insist(`send what follows ${name}`, () => publishNext(this.#chords(), sender, outcome))
    return sent ?? []
  }

  async #storeAndAck(
    execution: Execution,
    outcome: Outcome,
    row: Settlement,
    record: TaskMeta | undefined,
  ): Promise<Settled | undefined> {
    const { backend, transport } = this.#deps
    const { delivery, message } = execution
    const name = `${message.task}[${message.id}]`
    const open = !execution.acknowledged
    // A part whose result is ignored counts as well: its value goes to the chord alone.
    const part = row.store !== 'RETRY' && this.#isCounted(message) ? record : undefined
    const isStored = outcome.kind === 'success' && outcome.stored !== undefined
    const meta = !isStored && row.store !== undefined && storesResult(execution, row.store) ? record : undefined
    if (meta && open && row.late === 'ack' && !part) {
      const storing = backend.plan(meta, this.#storeOptions(message))
      if (storing && storing.driver === transport.driver) {
        return this.#ack(execution, () => delivery.ack({ storing }), `settle ${name}`)
      }
    }
    if (part) {
      // In one step: nothing can come between the two.
      const storesResult = meta !== undefined
      await this.insist(`count ${name} for its chord`, () => joinChord(this.#chords(), message, part, { storesResult }))
    } else if (meta) {
      await this.insist(`store the result of ${name}`, () => backend.store([meta], this.#storeOptions(message)))
    }
    if (!open) return undefined
    if (row.late === 'ack') return this.#ack(execution, () => delivery.ack(), `acknowledge ${name}`)
    const requeue = row.late === 'requeue'
    return this.#ack(execution, () => delivery.reject({ requeue }), `reject ${name}`)
  }

  /** To its queue, unsettled, once the broker can be reached. */
  giveBack(execution: Execution): Promise<Settled | undefined> {
    const { message, delivery } = execution
    return this.#ack(execution, () => delivery.reject({ requeue: true }), `give back ${message.task}[${message.id}]`)
  }

  #isCounted(message: Message): boolean {
    if (!isPartOfChord(message)) return false
    const { backend, logger } = this.#deps
    if (backend.countsChords !== false) return true
    logger.error(
      `Task ${message.task}[${message.id}] is a part of chord ${message.groupId}, but the result backend '${backend.name}' of this worker cannot count: the chord's body will not run. Give all workers the sender's resultBackend.`,
    )
    return false
  }

  #chords(): ChordDeps {
    const { app, backend } = this.#deps
    return { app, backend, ttlMs: this.#ttl() }
  }

  async #ack(execution: Execution, act: () => Promise<Settled>, what: string): Promise<Settled | undefined> {
    const settled = await this.insist(what, act)
    execution.acknowledged = settled !== undefined
    execution.isLost = settled === 'lost'
    return settled
  }

  /**
   * For a message that may have been sent or delivered before: where its task has a final state, it is acknowledged unrun, and counted
   * for its chord in case that was not done. True if that was so.
   */
  async settleEnded(execution: Execution): Promise<boolean> {
    const { message, delivery } = execution
    const { backend, logger } = this.#deps
    if (execution.ignoresResult) return false
    const name = `${message.task}[${message.id}]`
    const found = await this.insist(`look for a result of ${name}`, () => backend.fetch([message.id]))
    const ended = found?.[0]
    if (!ended || !isEnd(ended.state, execution)) return false
    logger.info(`Task ${name} came a second time and has ended before (${ended.state}): it does not run again.`)
    if (this.#isCounted(message)) {
      await this.insist(`count ${name} for its chord`, () => joinChord(this.#chords(), message, ended))
    }
    await this.#ack(execution, () => delivery.ack(), `acknowledge ${name}`)
    return true
  }

  /** How a child stores a large value by itself; undefined where something else needs it here, or a child cannot reach the store. */
  storingOf(execution: Execution): JobStoring | undefined {
    const { backend, pool } = this.#deps
    const { message, ignoresResult } = execution
    if (!pool.runsElsewhere || ignoresResult || hasNext(message) || isPartOfChord(message)) return undefined
    if (backend.name === 'memory' || backend.name === 'disabled') return undefined
    return { meta: { ...this.#base(execution), state: 'SUCCESS' }, ...this.#storeOptions(message) }
  }

  /** Early acknowledgement: before the task starts. */
  async acknowledge(execution: Execution): Promise<Settled | undefined> {
    const { message } = execution
    const settled = await this.#ack(
      execution,
      () => execution.delivery.ack(),
      `acknowledge ${message.task}[${message.id}]`,
    )
    return settled ?? 'lost'
  }

  async storeStarted(execution: Execution): Promise<void> {
    if (!storesResult(execution, 'SUCCESS')) return
    const { message } = execution
    const result = { pid: process.pid, hostname: this.#deps.hostname }
    const meta = { ...this.#base(execution), state: 'STARTED', result }
    await this.insist(`store STARTED of ${message.task}[${message.id}]`, () =>
      this.#deps.backend.store([meta], this.#storeOptions(message)),
    )
  }

  async storeUpdate(update: StateUpdate, replyTo: string | undefined): Promise<void> {
    const { taskId: id, state, meta: result } = update
    await this.#deps.backend.store([{ id, state, result }], { ttlMs: this.#ttl(), replyTo })
  }

  async settleUnknown(delivery: Delivery, message: Message, failure: Failure): Promise<void> {
    const { backend, events, clock } = this.#deps
    const meta: TaskMeta = {
      id: message.id,
      state: 'FAILURE',
      error: failure.stored,
      traceback: failure.traceback,
      doneAtMs: clock.now(),
      parentId: message.parentId,
    }
    const name = `${message.task}[${message.id}]`
    if (hasNext(message)) {
      await this.insist(`send what follows ${name}`, () =>
        publishNext(this.#chords(), message, { kind: 'failure', failure }),
      )
    }
    await this.insist(`store the failure of ${name}`, () => backend.store([meta], this.#storeOptions(message)))
    await this.insist(`count ${name} for its chord`, () => joinChord(this.#chords(), message, meta))
    await this.insist(`reject ${name}`, () => delivery.reject({ requeue: false }))
    events.emit({ type: 'task-failed', uuid: message.id, exception: `NotRegistered('${message.task}')` })
  }

  #recordOf(execution: Execution, outcome: Outcome, state: StoredState | undefined): TaskMeta | undefined {
    if (state === undefined) return undefined
    if (!storesResult(execution, state) && !isPartOfChord(execution.message)) return undefined
    const { clock } = this.#deps
    const base = this.#base(execution)
    const children = outcome.children ?? []
    switch (outcome.kind) {
      case 'success':
        return { ...base, state, children, result: outcome.value, doneAtMs: clock.now() }
      case 'retry':
        return { ...base, state, children, error: outcome.cause.stored, traceback: outcome.cause.traceback }
      case 'revoked':
        return { ...base, state, children, error: revokedError(outcome.reason), doneAtMs: clock.now() }
      case 'reject':
        return { ...base, state, children, error: rejectedError(outcome.reason), doneAtMs: clock.now() }
      case 'ignore':
        return undefined
      case 'failure':
      case 'timeout':
      case 'workerLost': {
        const { stored, traceback } = outcome.failure
        return { ...base, state, children, error: stored, traceback, doneAtMs: clock.now() }
      }
    }
  }

  #base(execution: Execution): { readonly id: string } & Partial<TaskMeta> {
    const { message, delivery } = execution
    const base = { id: message.id, parentId: message.parentId, groupId: message.groupId, children: [] }
    const { settings, connections } = this.#deps.app
    if (settings.resultExtended === 'auto' ? !connections.embedded : !settings.resultExtended) return base
    const { task: name, args, kwargs, retries, stampedHeaders } = message
    const stamps = stampedHeaders.length > 0 ? { stamps: message.stamps } : {}
    return { ...base, name, args, kwargs, retries, ...stamps, worker: this.#deps.hostname, queue: delivery.info.queue }
  }

  #ttl(): number {
    return this.#deps.app.settings.resultExpires * 1000
  }

  #storeOptions(message: Message): { readonly ttlMs: number; readonly replyTo: string } {
    return { ttlMs: this.#ttl(), replyTo: message.replyTo }
  }

  /** Tries until it works or the worker gives up; undefined then. Errors that will not pass are thrown. */
  async insist<T>(what: string, act: () => Promise<T>): Promise<T | undefined> {
    const { clock, logger, giveUp } = this.#deps
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await act()
      } catch (error) {
        if (!mayPass(error)) throw error
        if (pauseMs === firstPauseMs) {
          logger.warn(`Could not ${what}: ${error.message} Trying again until the server is back.`)
        }
        if (giveUp.aborted) return undefined
        await clock.sleep(pauseMs, giveUp).catch(() => {})
      }
    }
  }
}

/** A lost server comes back; a full disk gets space again, and a lock is let go. What the task gave is kept until then. */
function mayPass(error: unknown): error is Error {
  if (error instanceof StoreError) return error.reason === 'full' || error.reason === 'locked'
  return error instanceof ConnectionError
}

/** SUCCESS is. Another ready state is that of a sending before this one, unless this one has gone back to its queue with it. */
function isEnd(state: string, { message, delivery, policy }: Execution): boolean {
  if (state === 'SUCCESS') return true
  return message.repeated === true && isReady(state) && (policy.acksOnTimeout || !delivery.info.redelivered)
}

function storesResult(execution: Execution, state: StoredState): boolean {
  if (!execution.ignoresResult) return true
  return state === 'FAILURE' && execution.storesErrors
}

function isPartOfChord({ chord, groupId }: Message): boolean {
  return chord !== undefined && groupId !== undefined
}

/** What it sent itself, then what was sent for it. */
function withChildren({ task }: Execution, outcome: Outcome, following: readonly ResultRef[]): Outcome {
  if (following.length === 0 || task.definition.options.trail === false) return outcome
  return { ...outcome, children: [...(outcome.children ?? []), ...following] }
}

function hasNext(message: Message): boolean {
  return message.callbacks.length > 0 || message.chain.length > 0 || message.errbacks.length > 0
}
