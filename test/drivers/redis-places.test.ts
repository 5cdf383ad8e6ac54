import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError, SettingError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import type { SettingsInput } from '../../runtime/src/core/settings.ts'
import { RedisConnection, type RedisOptions, type RedisState } from '../../runtime/src/drivers/redis-connection.ts'
import { parseRedisUrls } from '../../runtime/src/drivers/redis-url.ts'
import { Tq } from '../../runtime/src/index.ts'
import { Worker } from '../../runtime/src/worker/worker.ts'
import { type Certificates, makeCertificates } from '../helpers/certificates.ts'
import { spawnProcess } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { startProxy } from '../helpers/proxy.ts'
import { freePort, type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

describe('lists of Redis URLs', () => {
  test.each([
    ['redis://a:1/2', 'servers', ['a:1'], 'redis:a:1/2'],
    ['redis://:p@a:1/2;redis://b', 'servers', ['a:1', 'b:6379'], 'redis:a:1/2;redis:b:6379/0'],
    ['redis://a:1/2;b:3', 'servers', ['a:1', 'b:3'], 'redis:a:1/2;redis:b:3/2'],
    ['sentinel://a;sentinel://b:1/3', 'sentinel', ['a:26379', 'b:1'], 'redis-sentinel:a:26379/0;b:1/3'],
    ['sentinel://a/1;b', 'sentinel', ['a:26379', 'b:26379'], 'redis-sentinel:a:26379/1;b:26379/1'],
    ['redis+cluster://a:7000;b:7001', 'cluster', ['a:7000', 'b:7001'], 'redis-cluster:a:7000/0;b:7001/0'],
  ])('%s is understood', (url, kind, places, driver) => {
    const target = parseRedisUrls(url)

    expect(target.kind).toBe(kind)
    expect(target.addresses.map(({ host, port }) => `${host}:${port}`)).toEqual(places)
    expect(target.driver).toBe(driver)
    expect(target.masked).not.toContain(':p@')
  })

  test.each([
    ['', /redis:\/\//],
    ['redis://a;sentinel://b', /of one kind/],
    ['redis+cluster://a/1', /only 0/],
    ['redis://u:%zz@a', /%25/],
  ])('%s is refused', (url, said) => {
    expect(() => parseRedisUrls(url)).toThrow(SettingError)
    expect(() => parseRedisUrls(url)).toThrow(said)
  })
})

describe.skipIf(!requireService('redis'))('ways to a Redis server', () => {
  function connection(url: string, options: RedisOptions = {}, connectTimeoutMs = 1000): RedisConnection {
    const made = new RedisConnection(url, { clock: systemClock, logger: silentLogger, connectTimeoutMs, options })
    onTestFinished(() => made.close())
    return made
  }

  /** A worker and a client over these settings; resolves with what the client is told of 20 + n. */
  function bench(settings: SettingsInput): { ask(n: number): Promise<number>; start(): Promise<void> } {
    const make = (name: string): Tq => {
      const app = new Tq(name, { logger: silentLogger, ...settings })
      onTestFinished(() => app.close())
      return app
    }
    const [client, server] = [make('client'), make('server')]
    server.task('add20', (n: number) => 20 + n)
    return {
      start: async () => {
        const worker = new Worker(server, { concurrency: 2 })
        onTestFinished(() => worker.stop(0))
        await worker.start()
      },
      ask: async (n) => (await client.sendTask<number>('add20', [n])).get({ timeout: 90 }),
    }
  }

  describe('TLS', () => {
    /** A server that wants a certificate of its clients and shows one that only `ca` vouches for. */
    async function secured(): Promise<Certificates & { readonly port: number }> {
      const files = makeCertificates()
      const port = await freePort()
      const { ca, cert, key } = files
      await startRedis(
        '--tls-port',
        String(port),
        ...['--tls-cert-file', cert],
        '--tls-key-file',
        key,
        '--tls-ca-cert-file',
        ca,
      )
      return { port, ...files }
    }

    test('a broker behind TLS is used with the files that brokerUseSsl names', async () => {
      const { port, ca, cert, key } = await secured()
      const { ask, start } = bench({
        brokerUrl: `redis://localhost:${port}/0`,
        brokerUseSsl: { ca, cert, key },
      })
      await start()

      expect(await ask(1)).toBe(21)
    })

    test('the files may stand in the URL, under the names that Celery gives them', async () => {
      const { port, ca, cert, key } = await secured()
      const files = `ssl_ca_certs=${ca}&ssl_certfile=${cert}&ssl_keyfile=${key}`

      expect(await connection(`rediss://127.0.0.1:${port}/0?${files}`).call('PING')).toBe('PONG')
    })

    test('a server that nobody vouches for is refused, unless that is asked for', async () => {
      const { port, cert, key } = await secured()
      const url = `rediss://localhost:${port}/0`
      const files = { certFile: cert, keyFile: key }

      const refused = connection(url, { tls: files }).connect()
      await expect(refused).rejects.toThrow(ConnectionError)
      await expect(refused).rejects.toThrow(/certificate/)

      expect(await connection(url, { tls: { ...files, certRequired: false } }).call('PING')).toBe('PONG')
    })

    test('a file that is not there is named', async () => {
      const refused = connection('rediss://localhost:1/0', { tls: { caFile: '/no/such/ca.pem' } }).connect()

      await expect(refused).rejects.toThrow(/no\/such\/ca\.pem/)
    })
  })

  test('connections are shown under the name that clientName gives them', async () => {
    const { url } = await startRedis()
    const named = connection(url, { clientName: 'shop-worker' })

    const list = await named.call('CLIENT', 'LIST')

    expect(list).toContain('name=shop-worker ')
  })

  test('a unix socket is used, in the database that the URL names', async () => {
    const path = join(temporaryFolder(), 'redis.sock')
    const server = await startRedis('--unixsocket', path)
    const { ask, start } = bench({ brokerUrl: `redis+socket://${path}?virtual_host=1` })
    await start()

    expect(await ask(2)).toBe(22)
    expect(await connection(`unix://${path}?db=1`).call('EXISTS', '_kombu.binding.celery')).toBe(1)
    expect(await connection(server.url).call('EXISTS', '_kombu.binding.celery')).toBe(0)
  })

  test('a user of the access list gets in, and is told what it may not do', async () => {
    const server = await startRedis()
    const admin = connection(server.url)
    await admin.call('ACL', 'SETUSER', 'shop', 'on', '>se:cret', '~*', '&*', '+@all', '-flushall')

    const user = connection(server.url.replace('//', '//shop:se%3Acret@'))

    expect(await user.call('ACL', 'WHOAMI')).toBe('shop')
    await expect(user.call('FLUSHALL')).rejects.toThrow(ChannelError)
    await expect(user.call('FLUSHALL')).rejects.toThrow(/NOPERM.*ACL rules/s)
  })

  describe('several servers', () => {
    test('the first that answers is taken, and the next one when it goes', async () => {
      const [one, other] = await Promise.all([startRedis(), startRedis()])
      const gone = await freePort()
      const { ask, start } = bench({ brokerUrl: `redis://127.0.0.1:${gone}/0;${one.url};${other.url}` })
      await start()
      expect(await ask(1)).toBe(21)

      await one.kill()

      expect(await waitFor(() => ask(2), { what: 'an answer over the other server' })).toBe(22)
      expect(Number(await connection(other.url).call('EXISTS', '_kombu.binding.celery'))).toBe(1)
    })

    test('a server that has become read-only is left for one that is not', async () => {
      const [one, other] = await Promise.all([startRedis(), startRedis()])
      const moved = connection(`${one.url};${other.url}`)
      await moved.call('SET', 'at', 'one')
      const heard: string[] = []
      await moved.listener.subscribe('news', (text) => heard.push(text))

      await connection(one.url).call('REPLICAOF', '127.0.0.1', await freePort())
      await expect(moved.call('SET', 'at', 'one')).rejects.toThrow(/READONLY.*replica/)

      await waitFor(() => moved.state === 'ready' && moved.call('SET', 'at', 'other'), { what: 'the other server' })
      const there = connection(other.url)
      expect(await there.call('GET', 'at')).toBe('other')
      await waitFor(async () => Number(await there.call('PUBLISH', 'news', 'moved')) > 0, { what: 'the listener' })
      await waitFor(() => heard.length > 0, { what: 'the news' })
    })
  })

  describe('Sentinel', () => {
    async function watched(): Promise<{ primary: RedisServer; replica: RedisServer; url: string }> {
      const [primary, port] = await Promise.all([startRedis(), freePort()])
      const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port))
      const file = join(temporaryFolder(), 'sentinel.conf')
      writeFileSync(
        file,
        [
          `port ${port}`,
          'bind 127.0.0.1',
          'requirepass watch',
          `sentinel monitor shop 127.0.0.1 ${primary.port} 1`,
          'sentinel down-after-milliseconds shop 400',
          'sentinel failover-timeout shop 2000',
        ].join('\n'),
      )
      await spawnProcess('redis-server', [file, '--sentinel']).waitForLine('monitor master shop')
      const linked = connection(replica.url)
      const up = async (): Promise<boolean> =>
        String(await linked.call('INFO', 'replication')).includes('master_link_status:up')
      await waitFor(up, { what: 'the replica' })
      // Only a sentinel that knows the replica can make it the primary.
      const sentinel = connection(`redis://:watch@127.0.0.1:${port}/0`)
      const knows = async (): Promise<boolean> =>
        ((await sentinel.call('SENTINEL', 'replicas', 'shop')) as unknown[]).length > 0
      await waitFor(knows, { what: 'the sentinel to know the replica', timeoutMs: 60_000 })
      await sentinel.close()
      return { primary, replica, url: `sentinel://127.0.0.1:${await freePort()};sentinel://127.0.0.1:${port}` }
    }

    test('the primary that it names is used, and after a failover the new one', async () => {
      const { primary, replica, url } = await watched()
      const { ask, start } = bench({
        brokerUrl: url,
        brokerTransportOptions: { masterName: 'shop', sentinelKwargs: { password: 'watch' } },
      })
      await start()
      expect(await ask(1)).toBe(21)

      await primary.kill()

      expect(await waitFor(() => ask(2), { what: 'an answer of the new primary', timeoutMs: 60_000 })).toBe(22)
      expect(String(await connection(replica.url).call('INFO', 'replication'))).toContain('role:master')
    }, 120_000)

    test('a name that it does not know is told', async () => {
      const { url } = await watched()
      const options = { sentinel: { password: 'watch' } }

      await expect(connection(url, { ...options, masterName: 'shoe' }).connect()).rejects.toThrow(/'shoe'/)
      expect(() => connection(url, options)).toThrow(/masterName/)
    }, 120_000)
  })

  describe('Cluster', () => {
    /** Three primaries with a third of the slots each. */
    async function cluster(): Promise<readonly RedisServer[]> {
      const folder = temporaryFolder()
      const start = async (name: string): Promise<RedisServer> =>
        startRedis(
          '--cluster-enabled',
          'yes',
          '--cluster-config-file',
          join(folder, name),
          '--cluster-port',
          String(await freePort()),
        )
      const nodes = await Promise.all(['a', 'b', 'c'].map(start))
      const urls = nodes.map(({ port }) => `127.0.0.1:${port}`)
      const options = ['--cluster-replicas', '0', '--cluster-yes']
      await spawnProcess('redis-cli', ['--cluster', 'create', ...urls, ...options]).exit
      for (const node of nodes) {
        const one = connection(node.url)
        await waitFor(async () => String(await one.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), {
          what: 'the cluster',
        })
        await one.close()
      }
      return nodes
    }

    test('broker and results are on the node that has the slot of their hash tag', async () => {
      const nodes = await cluster()
      const { ask, start } = bench({ brokerUrl: `redis+cluster://127.0.0.1:${nodes[0]?.port ?? 0}` })
      await start()

      expect(await ask(1)).toBe(21)
      const keys = await Promise.all(
        nodes.map(async (node) => ((await connection(node.url).call('KEYS', '*')) as string[]).toSorted()),
      )
      const used = keys.filter((found) => found.length > 0)
      expect(used.length).toBe(1)
      expect(used[0]?.every((key) => key.startsWith('{celery}:'))).toBe(true)
    }, 120_000)

    test('it follows the slot to another node', async () => {
      const nodes = await cluster()
      const { ask, start } = bench({
        brokerUrl: `redis+cluster://127.0.0.1:${nodes[0]?.port ?? 0}`,
        brokerTransportOptions: { globalKeyprefix: 'shop{x}.' },
        resultBackendTransportOptions: { globalKeyprefix: '{x}:' },
      })
      await start()
      expect(await ask(1)).toBe(21)

      const clients = nodes.map((node) => connection(node.url))
      const slot = Number(await clients[0]?.call('CLUSTER', 'KEYSLOT', '{x}'))
      const ids = await Promise.all(clients.map((client) => client.call('CLUSTER', 'MYID')))
      const keys = await Promise.all(clients.map((client) => client.call('CLUSTER', 'COUNTKEYSINSLOT', slot)))
      const from = keys.findIndex((count) => Number(count) > 0)
      const to = (from + 1) % 3
      await clients[to]?.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(ids[from]))
      await clients[from]?.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(ids[to]))
      const names = (await clients[from]?.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000)) as string[]
      await clients[from]?.call('MIGRATE', '127.0.0.1', nodes[to]?.port ?? 0, '', 0, 5000, 'KEYS', ...names)
      for (const client of clients) await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(ids[to]))

      expect(await waitFor(() => ask(2), { what: 'an answer from the other node', timeoutMs: 60_000 })).toBe(22)
      expect(Number(await clients[to]?.call('CLUSTER', 'COUNTKEYSINSLOT', slot))).toBeGreaterThan(0)
    }, 120_000)

    test('a prefix without a hash tag is refused, and a node taken for a single server says what it is', async () => {
      const app = new Tq('untagged', {
        brokerUrl: 'redis+cluster://127.0.0.1:1',
        brokerTransportOptions: { globalKeyprefix: 'shop.' },
      })
      onTestFinished(() => app.close())

      await expect(app.connections.transport()).rejects.toThrow(/hash tag such as \{shop\}:.*'shop\.'/)
    })
  })

  describe('a connection that went deaf', () => {
    const soon: RedisOptions = { healthCheckMs: 100, answerTimeoutMs: 200 }

    test('is noticed without a command of ours, and made anew', async () => {
      const server = await startRedis()
      const proxy = await startProxy(server.port)
      const deaf = connection(`redis://127.0.0.1:${proxy.port}/0`, soon, 500)
      await deaf.connect()
      const heard: string[] = []
      await deaf.listener.subscribe('news', (text) => heard.push(text))
      const states: RedisState[] = []
      const listening: string[] = []
      deaf.onState((state) => states.push(state))
      deaf.listener.onState((state) => listening.push(state))

      proxy.swallow()
      await waitFor(() => states[0] === 'lost' && listening[0] === 'lost', { what: 'both losses' })
      proxy.heal()
      proxy.cut()

      await waitFor(() => states.at(-1) === 'ready' && listening.at(-1) === 'ready', { what: 'both returns' })
      await connection(server.url).call('PUBLISH', 'news', 'again')
      await waitFor(() => heard.length === 1, { what: 'the news' })
    })
  })
})
