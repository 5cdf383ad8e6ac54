import { ChannelError } from '../core/errors.ts'
import type { Transaction } from '../drivers/sqlite-commit.ts'
import { integer, type Reader, text } from '../drivers/sqlite-connection.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { isBroadcastQueueName } from '../wire/queue-names.ts'
import { purgeSome } from './sqlite-messages.ts'
import { bindingMatches, type ExchangeType, type Queue, type Topology } from './topology.ts'

interface Binding {
  readonly type: ExchangeType
  readonly key: string
  readonly queue: string
  /** The queue goes with its last consumer. */
  readonly isFleeting: boolean
}

/** Behind the exchange's type in a binding of a queue that goes with its last consumer. */
const fleeting = '~'

const purgedAtOnce = 1000

/** Queues and bindings of the file, which its processes share, with what was read of them kept for the next time. */
export class QueueDirectory {
  readonly #store: SqliteStore
  readonly #ids = new Map<string, number>()
  readonly #names = new Map<number, string>()
  #bindings = new Map<string, readonly Binding[]>()
  /** Exchanges that may reach nobody without that being a mistake. */
  readonly #fanouts = new Set<string>()
  /** Bindings of queues that go with their last consumer, as this process declared them. */
  readonly #fleeting = new Map<string, readonly Queue[]>()
  #newestBinding = -1
  #version = ''

  constructor(store: SqliteStore) {
    this.#store = store
  }

  declare(tx: Transaction, topology: Topology): void {
    for (const queue of topology.queues) this.#declare(tx, queue)
    for (const { name, type } of topology.exchanges ?? []) if (type === 'fanout') this.#fanouts.add(name)
    for (const { name, autoDelete } of topology.queues) {
      if (autoDelete)
        this.#fleeting.set(
          name,
          topology.queues.filter((queue) => queue.name === name),
        )
    }
  }

  #declare(tx: Transaction, queue: Queue): void {
    this.id(tx, queue.name)
    tx.run(
      `insert into binding(exchange, type, key, queue) values(?1, ?2, ?3, ?4)
           on conflict(exchange, key, queue) do update set type=?2 where type<>?2`,
      queue.exchange.name,
      queue.autoDelete ? `${queue.exchange.type}${fleeting}` : queue.exchange.type,
      queue.routingKey,
      queue.name,
    )
  }

  /** Those of the queues that go with their last consumer. */
  fleeting(queues: readonly string[]): readonly string[] {
    return queues.filter((name) => this.#fleeting.has(name))
  }

  /** Once they are consumed: a sender may have seen them without a consumer meanwhile, and taken them away. */
  declareConsumed(tx: Transaction, queues: readonly string[]): void {
    for (const name of queues) for (const queue of this.#fleeting.get(name) ?? []) this.#declare(tx, queue)
  }

  /** Deletes a queue that goes with its last consumer, where no living one is left. */
  leave(tx: Transaction, name: string): void {
    const row = tx.get(`select 1 as one from binding where queue=? and type like '%${fleeting}' limit 1`, name)
    if (row === undefined || this.#store.presence.consumers(tx, name) > 0) return
    const id = this.find(tx, name)
    // The newest number stays taken: by it every process tells whether it has read all bindings there are.
    tx.run("delete from binding where queue='' and id<(select max(id) from binding)")
    tx.run('delete from binding where queue=? and id<(select max(id) from binding)', name)
    tx.run("update binding set exchange='', key='', queue='' where queue=?", name)
    this.#bindings = new Map()
    if (id !== undefined) while (purgeSome(tx, id, purgedAtOnce) === purgedAtOnce);
  }

  /** Number of the queue, which is made when it is missing. */
  id(tx: Transaction, name: string): number {
    const known = this.find(tx, name)
    if (known !== undefined) return known
    tx.run('insert or ignore into queue(name) values(?)', name)
    return this.find(tx, name) ?? 0
  }

  find(reader: Reader, name: string): number | undefined {
    this.#refresh()
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    const row = reader.get('select id from queue where name=?', name)
    if (row === undefined) return undefined
    const id = integer(row['id'])
    this.#ids.set(name, id)
    this.#names.set(id, name)
    return id
  }

  nameOf(reader: Reader, id: number): string {
    this.#refresh()
    const known = this.#names.get(id)
    if (known !== undefined) return known
    const name = text(reader.get('select name from queue where id=?', id)?.['name'])
    this.#names.set(id, name)
    return name
  }

  /** Numbers of the queues that a message reaches. Throws ChannelError when there is none. */
  route(tx: Transaction, exchange: string, routingKey: string): readonly number[] {
    // As in AMQP, every queue is bound to the anonymous exchange by its name; here it need not be declared either.
    if (exchange === '') return [this.id(tx, routingKey)]
    const bound = this.#bound(tx, exchange).filter((one) => bindingMatches(one.type, one.key, routingKey))
    const alive = bound.filter((one) => !one.isFleeting || this.#store.presence.consumers(tx, one.queue) > 0)
    // Their consumer died without a goodbye.
    for (const one of bound) if (!alive.includes(one)) this.leave(tx, one.queue)
    if (bound.length === 0 && !this.#fanouts.has(exchange)) {
      throw new ChannelError(
        `No queue is bound to exchange '${exchange}' with routing key '${routingKey}'. Declare the queue before publishing to it.`,
      )
    }
    return [...new Set(alive.map((one) => one.queue))].map((queue) => this.id(tx, queue))
  }

  names(reader: Reader): readonly string[] {
    return reader
      .all('select name from queue')
      .map((row) => text(row['name']))
      .filter((name) => !isBroadcastQueueName(name))
      .sort()
  }

  #bound(tx: Reader, exchange: string): readonly Binding[] {
    this.#refresh()
    const newest = integer(tx.get('select max(id) as id from binding')?.['id'])
    if (newest !== this.#newestBinding) {
      this.#newestBinding = newest
      this.#bindings = new Map()
    }
    let bound = this.#bindings.get(exchange)
    if (bound === undefined) {
      bound = tx.all('select type, key, queue from binding where exchange=? order by id', exchange).map((row) => ({
        type: exchangeType(text(row['type'])),
        isFleeting: text(row['type']).endsWith(fleeting),
        key: text(row['key']),
        queue: text(row['queue']),
      }))
      this.#bindings.set(exchange, bound)
    }
    return bound
  }

  // What was read in a transaction that was rolled back may never have been there.
  #refresh(): void {
    if (this.#version === this.#store.version) return
    this.#version = this.#store.version
    this.#ids.clear()
    this.#names.clear()
    this.#newestBinding = -1
  }
}

function exchangeType(text: string): ExchangeType {
  const type = text.replace(fleeting, '')
  return type === 'topic' || type === 'fanout' ? type : 'direct'
}
