import { redactedReprs } from '../app/redacted.ts'
import { eventFieldsOf, type Prepared } from '../app/send.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { NotRegistered, TqError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import type { EventSink } from '../events/event.ts'
import type { OnUpdate, Pool } from '../pools/pool.ts'
import type { Delivery, Transport } from '../transports/transport.ts'
import { isoTime } from '../wire/python-text.ts'
import { compressionOf, decodeTask } from '../wire/task-protocol.ts'
import { type Execution, newExecution } from './execution.ts'
import { failureOf } from './failure.ts'
import { gate, hasExpired } from './gate.ts'
import { Settler } from './settle.ts'
import { armHardLimit, TimeLimits } from './time-limit.ts'

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
  readonly isRevoked: (id: string) => boolean
  /** An ETA nearer than this (ms) is waited for here instead of in the broker. */
  readonly waitAtMostMs: number
  /** Aborts when the worker gives up: nothing is tried again after it. */
  readonly giveUp: AbortSignal
}

/** What became of a delivery that was looked at. */
export type Admitted =
  | { readonly kind: 'run'; readonly execution: Execution }
  | { readonly kind: 'wait'; readonly execution: Execution; readonly untilMs: number }
  /** It does not run; `done` resolves when it is settled. */
  | { readonly kind: 'done'; readonly done: Promise<void> }

const mostLosses = 5
const mostRemembered = 10_000

/** One task from delivery to settlement: decoded, admitted, started, run, stored, linked, acknowledged. */
export class Executor {
  readonly #deps: ExecutorDeps
  readonly #settler: Settler
  readonly active = new Map<string, Execution>()
  /** Tasks finished since the start, by name. */
  readonly totals = new Map<string, number>()
  readonly limits: TimeLimits
  /** How often a message that goes back has ended its child here, by its id. */
  readonly #losses = new Map<string, number>()

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    deps.app.serializers.check() // a mistyped acceptContent would set every message aside
    this.#settler = new Settler(deps)
    const { taskSoftTimeLimit: softSeconds, taskTimeLimit: hardSeconds } = deps.app.settings
    this.limits = new TimeLimits({ softSeconds, hardSeconds })
  }

  /** Decodes a delivery and decides. What cannot be decoded is quarantined; the worker goes on. */
  admit(delivery: Delivery): Admitted {
    const { app, clock } = this.#deps
    let message: Message
    try {
      const { raw } = delivery
      const { headers, properties } = raw
      message = decodeTask({ headers, properties, body: app.serializers.decode(raw, compressionOf(headers)) }, app.zone)
    } catch (error) {
      return { kind: 'done', done: this.#quarantine(delivery, error) }
    }
    const nowMs = clock.now()
    const task = app.registry.get(message.task)
    const verdict = gate(message, {
      nowMs,
      isRegistered: task !== undefined,
      isRevoked: this.#deps.isRevoked(message.id),
      waitAtMostMs: this.#deps.waitAtMostMs,
    })
    if (verdict.kind === 'unknown' || !task) return { kind: 'done', done: this.#unknown(delivery, message) }
    if (verdict.kind === 'park') return { kind: 'done', done: this.#park(delivery, message, verdict.untilMs) }
    // The sender, Python for one, may not know what is to be hidden.
    const shown = redactedReprs(app, message, task.definition.options)
    if (shown) message = { ...message, ...shown }
    const execution = newExecution(delivery, message, task, app.settings, nowMs)
    this.#received(message)
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
      // It may have waited for a slot, a rate or its ETA since it was looked at.
      if (isRevoked(message.id)) return await this.settle(execution, { kind: 'revoked', reason: 'revoked' })
      if (hasExpired(message, clock.now())) return await this.settle(execution, { kind: 'revoked', reason: 'expired' })
      if (!execution.acksLate) {
        if ((await this.#settler.acknowledge(execution)) === 'lost') return undefined
      }
      execution.startedAtMs = clock.now()
      execution.startedMonotonic = clock.monotonic()
      if (execution.trackStarted) await this.#settler.storeStarted(execution)
      if (this.#deps.events.enabled) this.#deps.events.emit({ type: 'task-started', uuid: message.id })
      const { softSeconds, hardSeconds } = this.limits.of(message, execution.task.definition.options)
      execution.run = pool.run({ message, deliveryInfo: delivery.info, hostname, softSeconds })
      const limit = armHardLimit(execution.run, hardSeconds, clock)
      const outcome = await execution.run.outcome.finally(() => limit?.cancel())
      onEnded?.()
      // The worker gave up and gave the message back: another one runs it, and that result counts.
      if (this.#deps.giveUp.aborted && execution.acksLate && outcome.kind === 'revoked') return outcome
      if (outcome.kind === 'workerLost' && this.#isPoison(execution)) return await this.#setAside(execution, outcome)
      if (outcome.kind !== 'workerLost') this.#losses.delete(message.id)
      return await this.settle(execution, outcome)
    } catch (error) {
      logger.error(
        `Task ${message.task}[${message.id}] could not be settled: ${textOf(error)} ${
          execution.acksLate ? 'It will be delivered again.' : 'Its result is lost.'
        }`,
      )
      return undefined
    } finally {
      this.active.delete(message.id)
      this.totals.set(message.task, (this.totals.get(message.task) ?? 0) + 1)
    }
  }

  settle(execution: Execution, outcome: Outcome): Promise<Outcome> {
    return this.#settler.settle(execution, outcome)
  }

  // A message that goes back whenever its child dies would end one child after the other for ever.
  #isPoison({ message, policy, acksLate }: Execution): boolean {
    if (!acksLate || !policy.rejectOnWorkerLost) return false
    const losses = (this.#losses.get(message.id) ?? 0) + 1
    this.#losses.delete(message.id) // so that the oldest is first
    this.#losses.set(message.id, losses)
    const [oldest] = this.#losses.keys()
    if (this.#losses.size > mostRemembered && oldest !== undefined) this.#losses.delete(oldest)
    return losses >= mostLosses
  }

  async #setAside(execution: Execution, outcome: Outcome & { readonly kind: 'workerLost' }): Promise<Outcome> {
    const { message, delivery, policy } = execution
    const { transport, logger } = this.#deps
    const name = `${message.task}[${message.id}]`
    const reason = `It ended the child that ran it ${mostLosses} times: ${outcome.failure.text}`
    logger.error(
      `Task ${name} failed and was set aside. ${reason} It can be looked at and sent again from the quarantine for 7 days.`,
    )
    const failed = { ...execution, acknowledged: true, policy: { ...policy, rejectOnWorkerLost: false } }
    await this.settle(failed, outcome)
    await this.#settler.insist(`set aside ${name}`, () => transport.quarantine.put(delivery, reason))
    this.#losses.delete(message.id)
    return outcome
  }

  async #revoke(execution: Execution, reason: 'revoked' | 'expired'): Promise<void> {
    await this.settle(execution, { kind: 'revoked', reason })
  }

  /** Stores what a running task says of itself. */
  readonly onUpdate: OnUpdate = (update) =>
    this.#settler.storeUpdate(update, this.active.get(update.taskId)?.message.replyTo)

  #received(message: Message): void {
    const { events, logger } = this.#deps
    if (logger.isEnabled?.('info') !== false) logger.info(`Task ${message.task}[${message.id}] received`)
    if (!events.enabled) return
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
