import type { Clock } from '../core/clock.ts'
import { ChannelError, ConnectionError, DecodeError } from '../core/errors.ts'
import type { ChordRecord, ClaimedChord } from '../core/chord.ts'
import type { Logger } from '../core/logger.ts'
import type { GroupMeta, TaskMeta } from '../core/states.ts'
import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import { jsonResultCodec, type ResultCodec } from '../serializers/result-codec.ts'
import { fromAmqp, resultMessage, toAmqp } from '../wire/amqp-layout.ts'
import { compressionOf } from '../wire/task-protocol.ts'
import { dictToMeta } from '../wire/result-meta.ts'
import type { ResultBackend, StoreOptions, StorePlan } from './result-backend.ts'
import { RpcReplies } from './rpc-replies.ts'
import { RpcResults } from './rpc-results.ts'

export interface RpcDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** The form of the documents; JSON by default. */
  readonly codec?: ResultCodec | undefined
  /** How long a result is kept here, and a reply queue that nobody consumes there; default a day. `result_expires`. */
  readonly expiresMs?: number | undefined
  /** How many results are kept here for who asks later; the oldest go first. Default 100,000; `result_cache_max`. */
  readonly mostResults?: number | undefined
  /** Results survive a restart of the broker while they are on their way. Default false. `result_persistent`. */
  readonly persistent?: boolean | undefined
}

/**
 * Celery's `rpc://`: each result is a message to the reply queue of the process that sent the task, and only there it can be read.
 * Groups cannot be saved and chords not be counted: there is no place for them. The connection belongs to whoever opened it.
 * Source: celery/backends/rpc.py, RPCBackend.
 */
export class RpcBackend implements ResultBackend {
  readonly name = 'rpc'
  readonly keepsStates = false
  readonly countsChords = false
  readonly #connection: AmqpConnection
  readonly #logger: Logger
  readonly #codec: ResultCodec
  readonly #persistent: boolean
  readonly #results: RpcResults
  readonly #replies: RpcReplies
  #closed = false
  #warned = false

  constructor(connection: AmqpConnection, deps: RpcDeps) {
    const { clock, logger, codec = jsonResultCodec(), expiresMs = dayMs, persistent = false, mostResults } = deps
    this.#connection = connection
    this.#logger = logger
    this.#codec = codec
    this.#persistent = persistent
    this.#results = new RpcResults(clock, expiresMs, mostResults)
    this.#replies = new RpcReplies(connection, { clock, logger, expiresMs }, (content, properties) =>
      this.#receive(content, properties),
    )
  }

  async connect(): Promise<void> {
    this.#mustBeOpen()
    await this.#connection.connect()
  }

  /** Deletes the reply queues: nobody else can read them. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#results.close()
    await this.#replies.close()
  }

  /** Opens the reply queue; results that are sent from now on arrive. */
  async prepare(ids: readonly string[], replyTo: string): Promise<void> {
    this.#mustBeOpen()
    this.#results.expect(ids)
    if (replyTo !== '') await this.#replies.open(replyTo)
  }

  /** Sends each state to `replyTo`; without one nobody waits. Resolves when the broker has them. */
  async store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void> {
    this.#mustBeOpen()
    const { replyTo = '' } = options
    if (replyTo === '') return
    await this.#connection.publisher.publish(
      metas.map((meta) => {
        const message = resultMessage(meta, {
          persistent: this.#persistent,
          contentType: this.#codec.contentType,
          contentEncoding: this.#codec.contentEncoding,
          compression: this.#codec.compression,
          encode: (dict) => this.#codec.encode(dict),
        })
        const { body } = message
        const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
        return { exchange: '', routingKey: replyTo, content, options: { ...toAmqp(message) } }
      }),
    )
  }

  // A result is a message of its own: it cannot be one step with an acknowledgement.
  plan(): StorePlan | undefined {
    return undefined
  }

  async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    this.#mustBeOpen()
    return ids.map((id) => this.#results.get(id))
  }

  watch(ids: readonly string[], signal: AbortSignal): AsyncIterable<TaskMeta> {
    this.#mustBeOpen()
    const stranger = ids.find((id) => !this.#results.isExpected(id))
    if (stranger !== undefined && !this.#warned) {
      this.#warned = true
      this.#logger.warn(
        `Task ${stranger} was not sent by this process: its result goes to the one that sent it and never arrives here. Use a result backend that keeps results (redis://, sqlite://).`,
      )
    }
    return this.#results.watch(ids, signal)
  }

  async forget(id: string): Promise<void> {
    this.#mustBeOpen()
    this.#results.forget(id)
  }

  async storeGroup(): Promise<void> {
    throw unsupported('save a group')
  }

  async fetchGroup(): Promise<GroupMeta | undefined> {
    throw unsupported('restore a group')
  }

  async dropGroup(): Promise<void> {
    throw unsupported('delete a group')
  }

  async openChord(): Promise<void> {
    throw unsupported('run a chord')
  }

  async growChord(): Promise<void> {
    throw unsupported('run a chord')
  }

  async joinChord(): Promise<'waiting'> {
    throw unsupported('run a chord')
  }

  async chordParts(): Promise<readonly TaskMeta[]> {
    throw unsupported('run a chord')
  }

  async closeChord(): Promise<void> {
    throw unsupported('run a chord')
  }

  async chordRecord(): Promise<ChordRecord | undefined> {
    throw unsupported('run a chord')
  }

  async claimChords(): Promise<readonly ClaimedChord[]> {
    return []
  }

  #receive(content: Uint8Array, properties: object): void {
    const { raw } = fromAmqp(content, properties)
    let meta: TaskMeta
    try {
      meta = dictToMeta(this.#codec.received(raw, compressionOf(raw.headers)))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.#logger.warn(
        `Ignored a result of ${raw.properties.correlationId ?? 'an unknown task'} that cannot be read (${raw.contentType}); who waits for it goes on waiting: ${error.message}`,
      )
      return
    }
    this.#results.put(meta)
  }

  #mustBeOpen(): void {
    if (!this.#closed) return
    throw new ConnectionError(`The result backend over RabbitMQ at ${this.#connection.url} was closed by this program.`)
  }
}

const dayMs = 86_400_000

function unsupported(what: string): ChannelError {
  return new ChannelError(
    `The rpc result backend cannot ${what}: results are messages to the sender, kept nowhere. Set resultBackend to redis:// or sqlite://.`,
  )
}
