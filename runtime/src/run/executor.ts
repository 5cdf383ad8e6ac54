import { decodeMessage } from '../app/decode-message.ts'
import { redactedReprs } from '../app/redacted.ts'
import { eventFieldsOf, type Prepared } from '../app/send.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { NotRegistered, TqError, WorkerLostError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Stamps } from '../core/stamps.ts'
import type { EventSink } from '../events/event.ts'
import type { OnUpdate, Pool } from '../pools/pool.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Delivery, Transport } from '../transports/transport.ts'
import { isoTime } from '../wire/python-text.ts'
import { announceInternalError, announceReceived, announceRejected, announceUnknown } from './announce.ts'
import { type Execution, newExecution } from './execution.ts'
import { failureOf } from './failure.ts'
import { gate, hasExpired } from './gate.ts'
import { Settler } from './settle.ts'
import { armHardLimit, TimeLimits } from './time-limit.ts'
import { UnendedRuns } from './unended-runs.ts'
import { UniqueHolds } from './unique-hold.ts'

/** What runs tasks needs; the same for a worker and for eager calls. */
export interface ExecutorDeps {
  readonly app: TqApp
  readonly transport: Transport
  readonly backend: ResultBackend
  readonly pool: Pool
  readonly events: EventSink
  readonly hostname: string
  readonly clock: Clock
  readonly logger: Logger
  /** Sends what follows: a retry of the same message. */
  readonly publish: (prepared: Prepared) => Promise<void>
  readonly isRevoked: (id: string, stamps: Stamps) => boolean
  /** An ETA nearer than this (ms) is waited for here instead of in the broker. */
  readonly waitAtMostMs: number
  /** Where unique calls hold their keys; default the app's. */
  readonly keys?: (() => Promise<KeyStore>) | undefined
  /** Aborts when the worker gives up: nothing is tried again after it. */
  readonly giveUp: AbortSignal
}

/** What became of a delivery that was looked at. */
export type Admitted =
  | { readonly kind: 'run'; readonly execution: Execution }
  | { readonly kind: 'wait'; readonly execution: Execution; readonly untilMs: number }
  /** It does not run; `done` resolves when it is settled. */
  | { readonly kind: 'done'; readonly done: Promise<void> }

/** One task from delivery to settlement: decoded, admitted, started, run, stored, linked, acknowledged. */
export class Executor {
  readonly #deps: ExecutorDeps
  readonly #settler: Settler
  readonly #unique: UniqueHolds
  readonly active = new Map<string, Execution>()
  /** Tasks finished since the start, by name. */
  readonly totals = new Map<string, number>()
  readonly limits: TimeLimits
  readonly #unended: UnendedRuns

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    deps.app.serializers.check() // a mistyped acceptContent would set every message aside
    const { app, clock, logger } = deps
    const keys = deps.keys ?? (() => app.connections.keyStore())
    this.#unique = new UniqueHolds({ keys, clock, logger })
    this.#unended = new UnendedRuns({ keys, logger, limit: app.settings.taskWorkerLostLimit })
    this.#settler = new Settler(deps)
    const { taskSoftTimeLimit: softSeconds, taskTimeLimit: hardSeconds } = deps.app.settings
    this.limits = new TimeLimits({ softSeconds, hardSeconds })
  }

  /** Decodes a delivery and decides. What cannot be decoded is quarantined; the worker goes on. */
  admit(delivery: Delivery): Admitted {
    const { app, clock } = this.#deps
    let message: Message
    try {
      message = decodeMessage(app, delivery.raw)
    } catch (error) {
      return { kind: 'done', done: this.#quarantine(delivery, error) }
    }
    const nowMs = clock.now()
    const task = app.registry.get(message.task)
    const verdict = gate(message, {
      nowMs,
      isRegistered: task !== undefined,
      isRevoked: this.#deps.isRevoked(message.id, message.stamps),
      waitAtMostMs: this.#deps.waitAtMostMs,
    })
    if (verdict.kind === 'unknown' || !task) return { kind: 'done', done: this.#unknown(delivery, message) }
    if (verdict.kind === 'park') return { kind: 'done', done: this.#park(delivery, message, verdict.untilMs) }
    // The sender, Python for one, may not know what is to be hidden.
    const shown = redactedReprs(app, message, task.definition.options)
    if (shown) message = { ...message, ...shown }
    const execution = newExecution(delivery, message, task, app.settings, nowMs)
    this.#received(message, execution.sendsEvents)
    execution.heard = announceReceived(this.#deps, execution)
    if (verdict.kind === 'run') return { kind: 'run', execution }
    if (verdict.kind === 'wait') return { kind: 'wait', execution, untilMs: verdict.untilMs }
    return { kind: 'done', done: this.#revoke(execution, verdict.kind) }
  }

  /** Runs and settles. Never rejects. `onEnded` is called when the run is over and its settling begins. */
  async run(execution: Execution, onEnded?: () => void): Promise<Outcome | undefined> {
    const { message, delivery } = execution
    const { clock, pool, hostname, isRevoked, logger } = this.#deps
    this.active.set(message.id, execution)
    try {
      if (execution.heard) await execution.heard
      // It may have waited for a slot, a rate or its ETA since it was looked at.
      if (isRevoked(message.id, message.stamps))
        return await this.settle(execution, { kind: 'revoked', reason: 'revoked' })
      if (hasExpired(message, clock.now())) return await this.settle(execution, { kind: 'revoked', reason: 'expired' })
      if (this.#mayHaveEnded(execution) && (await this.#settler.settleEnded(execution))) return undefined
      if (this.#mayBePoison(execution)) {
        const losses = await this.#unended.begin(execution)
        if (this.#isPoison(losses)) return await this.#setAside(execution, this.#lostRuns(losses), losses)
      }
      if (!execution.acksLate) {
        if ((await this.#settler.acknowledge(execution)) === 'lost') return undefined
      }
      execution.startedAtMs = clock.now()
      execution.startedMonotonic = clock.monotonic()
      if (execution.trackStarted) await this.#settler.storeStarted(execution)
      if (this.#deps.events.enabled && execution.sendsEvents) {
        this.#deps.events.emit({ type: 'task-started', uuid: message.id })
      }
      const { softSeconds, hardSeconds } = this.limits.of(message, execution.task.definition.options)
      const storing = this.#settler.storingOf(execution)
      execution.run = pool.run({ message, deliveryInfo: delivery.info, hostname, softSeconds, storing })
      const limit = armHardLimit(execution.run, hardSeconds, clock)
      const letGo = this.#unique.hold(execution)
      let outcome: Outcome
      try {
        outcome = await execution.run.outcome
      } finally {
        limit?.cancel()
        letGo?.()
      }
      onEnded?.()
      // The worker gave up and gave the message back: another one runs it, and that result counts.
      const isGivenBack = this.#deps.giveUp.aborted || execution.isAbandoned
      if (isGivenBack && execution.acksLate && outcome.kind === 'revoked') {
        await this.#unended.ended(execution)
        // A worker that stops gives back what it holds; one that goes on would keep it held.
        if (!this.#deps.giveUp.aborted) await this.#settler.giveBack(execution)
        return outcome
      }
      if (outcome.kind === 'workerLost' && execution.acksLate && execution.policy.rejectOnWorkerLost) {
        const losses = await this.#unended.lost(execution)
        return await (this.#isPoison(losses)
          ? this.#setAside(execution, outcome, losses)
          : this.settle(execution, outcome))
      }
      const settled = await this.settle(execution, outcome)
      if (delivery.info.redelivered) await this.#unended.ended(execution)
      return settled
    } catch (error) {
      logger.error(
        `Task ${message.task}[${message.id}] could not be settled: ${textOf(error)} ${
          execution.acksLate ? 'It will be delivered again.' : 'Its result is lost.'
        }`,
      )
      await announceInternalError(this.#deps, execution, error)
      return undefined
    } finally {
      // Given back, it may have come again already.
      if (this.active.get(message.id) === execution) this.active.delete(message.id)
      this.totals.set(message.task, (this.totals.get(message.task) ?? 0) + 1)
    }
  }

  async settle(execution: Execution, outcome: Outcome): Promise<Outcome> {
    const settled = await this.#settler.settle(execution, outcome)
    const ending = this.#unique.ended(execution, settled)
    if (ending) await ending // most calls are not unique, and a turn of the queue costs
    return settled
  }

  /** Back to the broker for a while: it has to wait for its rate. */
  park({ delivery, message }: Execution, untilMs: number): Promise<void> {
    return this.#park(delivery, message, untilMs)
  }

  // Whatever came before may have come to an end: the sender sent it twice, or its worker died before it could acknowledge.
  #mayHaveEnded({ message, delivery }: Execution): boolean {
    if (message.repeated) return true
    return delivery.info.redelivered && this.#deps.app.settings.workerDeduplicateSuccessfulTasks
  }

  // A message that comes again whenever its process dies would end one after the other for ever.
  #mayBePoison({ delivery, acksLate }: Execution): boolean {
    return acksLate && delivery.info.redelivered && this.#deps.app.settings.taskWorkerLostLimit > 0
  }

  #isPoison(losses: number): boolean {
    const { taskWorkerLostLimit: limit } = this.#deps.app.settings
    return limit > 0 && losses >= limit
  }

  #lostRuns(losses: number): Outcome & { readonly kind: 'workerLost' } {
    const error = new WorkerLostError(`The process that ran it died (${losses} times).`)
    const { stored, text } = failureOf(error, this.#deps.app.main)
    return { kind: 'workerLost', failure: { stored, text, traceback: text } }
  }

  async #setAside(
    execution: Execution,
    outcome: Outcome & { readonly kind: 'workerLost' },
    losses: number,
  ): Promise<Outcome> {
    const { message, delivery, policy } = execution
    const { transport, logger } = this.#deps
    const name = `${message.task}[${message.id}]`
    const reason = `It ended the process that ran it (${losses} times): ${outcome.failure.text}`
    logger.error(
      `Task ${name} failed and was set aside. ${reason} It can be looked at and sent again from the quarantine for 7 days (tq quarantine).`,
    )
    const failed = { ...execution, acknowledged: true, policy: { ...policy, rejectOnWorkerLost: false } }
    await this.settle(failed, outcome)
    await this.#settler.insist(`set aside ${name}`, () => transport.quarantine.put(delivery, reason))
    await this.#unended.ended(execution)
    return outcome
  }

  async #revoke(execution: Execution, reason: 'revoked' | 'expired'): Promise<void> {
    await this.settle(execution, { kind: 'revoked', reason })
  }

  /** Stores what a running task says of itself. */
  readonly onUpdate: OnUpdate = (update) =>
    this.#settler.storeUpdate(update, this.active.get(update.taskId)?.message.replyTo)

  #received(message: Message, sendsEvents: boolean): void {
    const { events, logger } = this.#deps
    if (logger.isEnabled?.('info') !== false) logger.info(`Task ${message.task}[${message.id}] received`)
    if (!events.enabled || !sendsEvents) return
    events.emit({ type: 'task-received', ...eventFieldsOf(message) })
  }

  async #quarantine(delivery: Delivery, error: unknown): Promise<void> {
    const { transport, logger } = this.#deps
    const reason = textOf(error)
    logger.error(
      `A message on queue '${delivery.info.queue}' cannot be read and was set aside: ${reason} ` +
        'It will not run; it can be looked at and sent again from the quarantine for 7 days.',
    )
    await this.#settler.insist(`set aside a message of '${delivery.info.queue}'`, () =>
      transport.quarantine.put(delivery, reason),
    )
    await announceRejected(this.#deps, delivery, error)
  }

  // Source: celery/worker/consumer/consumer.py, on_unknown_task: FAILURE NotRegistered, task-failed, rejected without requeue.
  async #unknown(delivery: Delivery, message: Message): Promise<void> {
    const { app, logger } = this.#deps
    const near = app.registry.nearest(message.task)
    logger.error(
      `Received unregistered task '${message.task}'[${message.id}]; it was dropped and failed as NotRegistered. ` +
        (near ? `Did you mean '${near}'? ` : '') +
        'Does the worker import the module that defines it (include, imports, -I)?',
    )
    const failure = failureOf(new NotRegistered(message.task), app.main)
    await this.#settler.settleUnknown(delivery, message, failure)
    await announceUnknown(this.#deps, message)
    await this.#unique.letGo(message)
  }

  async #park(delivery: Delivery, message: Message, untilMs: number): Promise<void> {
    const { logger } = this.#deps
    if (await this.#settler.insist(`park ${message.task}[${message.id}]`, () => delivery.park(untilMs))) {
      logger.debug(`Task ${message.task}[${message.id}] waits in the broker until ${isoTime(untilMs)}`)
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof TqError
    ? error.message
    : error instanceof Error
      ? `${error.name}: ${error.message}`
      : String(error)
}
