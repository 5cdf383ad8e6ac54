import { DatabaseSync } from 'node:sqlite'
import { type ChannelModel, connect } from 'amqplib'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import type { RabbitmqNode } from '../helpers/rabbitmq.ts'
import type { RedisServer } from '../helpers/services.ts'

const queue = 'celery'

/** A broker that gets into trouble, seen from beside tq: what its server itself knows. */
export interface FaultBroker {
  readonly name: 'redis' | 'rabbitmq' | 'sqlite'
  readonly brokerUrl: string
  readonly resultUrl: string
  /** Of the server, for a proxy; 0 where there is none. */
  readonly port: number
  /** The settings with the server at another port of this machine. */
  through(port: number): { readonly brokerUrl: string; readonly resultUrl: string }
  /** From now on `onDocument` is told of each stored result, as far as the store tells. */
  watchResults(onDocument: (text: string) => void): Promise<void>
  /** Ids of results that were taken away or replaced after SUCCESS, where the store itself notes it. */
  replaced(): Promise<readonly string[]>
  /** Messages of the queue by the server's own count; `held` is what all consumers have, parked messages of Redis included. */
  count(): Promise<{ readonly ready: number; readonly held: number }>
  /** How long the message is held that was taken last; Redis notes it, elsewhere it does not matter. */
  youngestHoldMs(): Promise<number>
  /** Deletes the queue; resolves with the ids of what was ready in it, and of nothing else. */
  deleteQueue(): Promise<readonly string[]>
}

/** On a private Redis, its results in the same place. */
export function onRedis(
  server: RedisServer,
): FaultBroker & { call(name: string, ...args: unknown[]): Promise<unknown> } {
  const url = server.url
  const connection = new RedisConnection(url, { clock: systemClock, logger: silentLogger })
  onTestFinished(() => connection.close())
  const call = async (name: string, ...args: unknown[]): Promise<unknown> => {
    await connection.connect()
    return connection.call(name, ...args.map(String))
  }
  const lists = [queue, ...[3, 6, 9].map((step) => `${queue}\u0006\u0016${step}`)]
  return {
    name: 'redis',
    brokerUrl: url,
    resultUrl: url,
    port: server.port,
    call,
    through: (port) => {
      const other = `redis://127.0.0.1:${port}/0`
      return { brokerUrl: other, resultUrl: other }
    },
    watchResults: (onDocument) => watchRedis(connection, onDocument),
    replaced: async () => [],
    count: async () => {
      const lengths = await Promise.all(lists.map((list) => call('LLEN', list)))
      const ready = lengths.reduce<number>((sum, length) => sum + Number(length), 0)
      return { ready, held: Number(await call('HLEN', 'unacked')) }
    },
    youngestHoldMs: async () => {
      const [, since] = (await call('ZREVRANGE', 'unacked_index', 0, 0, 'WITHSCORES')) as readonly string[]
      return since === undefined ? Infinity : systemClock.now() - Number(since) * 1000
    },
    // One step: between a look and a deletion the worker would take more.
    deleteQueue: async () => {
      const script = `local texts = redis.call('LRANGE', KEYS[1], 0, -1); redis.call('DEL', unpack(KEYS)); return texts`
      const texts = (await call('EVAL', script, 5, ...lists, `_kombu.binding.${queue}`)) as readonly string[]
      return texts.map((text) => (JSON.parse(text) as { readonly headers: { readonly id: string } }).headers.id)
    },
  }
}

/** On a vhost of a private RabbitMQ, its results on a Redis that is well. */
export function onRabbitmq(node: RabbitmqNode, results: RedisServer, parameters = ''): FaultBroker {
  const vhost = node.vhost()
  const connection = new RedisConnection(results.url, { clock: systemClock, logger: silentLogger })
  let model: ChannelModel | undefined
  onTestFinished(async () => {
    await connection.close()
    await model?.close().catch(() => undefined)
  })
  const at = (port: number): string => vhost.url.replace(`:${node.port}/`, `:${port}/`) + parameters
  return {
    name: 'rabbitmq',
    brokerUrl: at(node.port),
    resultUrl: results.url,
    port: node.port,
    through: (port) => ({ brokerUrl: at(port), resultUrl: results.url }),
    watchResults: (onDocument) => watchRedis(connection, onDocument),
    replaced: async () => [],
    count: async () => {
      const info = (key: string): string => `proplists:get_value(${key}, rabbit_amqqueue:info(Q, [${key}]))`
      const found = node.evaluate(
        `case rabbit_amqqueue:lookup(rabbit_misc:r(<<"${vhost.name}">>, queue, <<"${queue}">>)) of {ok, Q} -> {${info('messages_ready')}, ${info('messages_unacknowledged')}}; _ -> {0, 0} end`,
      )
      const [ready = 0, held = 0] = [...found.matchAll(/\d+/g)].map(Number)
      return { ready, held }
    },
    youngestHoldMs: async () => Infinity,
    // What is got here goes to nobody else, and is gone with the queue.
    deleteQueue: async () => {
      model = await connect(at(node.port))
      const channel = await model.createChannel()
      const taken: string[] = []
      for (;;) {
        const message = await channel.get(queue)
        if (!message) break
        taken.push(String(message.properties.headers?.['id']))
      }
      await channel.deleteQueue(queue)
      return taken
    },
  }
}

/** On a SQLite file that an app has made. */
export function onSqlite(path: string): FaultBroker {
  const url = `sqlite://${path}`
  let file: DatabaseSync | undefined
  const open = (): DatabaseSync => {
    file ??= new DatabaseSync(path, { timeout: 10_000 })
    return file
  }
  onTestFinished(() => file?.close())
  const number = (sql: string): number => Number(Object.values(open().prepare(sql).get() ?? {})[0])
  return {
    name: 'sqlite',
    brokerUrl: url,
    resultUrl: url,
    port: 0,
    through: () => {
      throw new Error('SQLite has no server that a proxy could stand before.')
    },
    watchResults: async () => {
      // The file itself notes what no look now and then would see. A result is replaced by deleting it first.
      open().exec(
        `create table seen_replaced(id text);
         create trigger seen_deleted before delete on result when json_extract(old.meta, '$.status') = 'SUCCESS'
           begin insert into seen_replaced values(old.id); end;
         create trigger seen_updated before update on result when json_extract(old.meta, '$.status') = 'SUCCESS'
           begin insert into seen_replaced values(old.id); end;`,
      )
    },
    replaced: async () =>
      open()
        .prepare('select id from seen_replaced')
        .all()
        .map((row) => String(row['id'])),
    count: async () => ({ ready: number('select count(*) from ready'), held: number('select count(*) from held') }),
    youngestHoldMs: async () => Infinity,
    deleteQueue: () => Promise.reject(new Error('Nobody can delete a queue of SQLite.')),
  }
}

async function watchRedis(connection: RedisConnection, onDocument: (text: string) => void): Promise<void> {
  await connection.connect()
  await connection.listener.psubscribe('celery-task-meta-*', onDocument)
}
