import { join } from 'node:path'
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest'
import { Tq, type TqOptions } from '../../runtime/src/index.ts'
import { silentLogger } from '../../runtime/src/index.ts'
import { createMemoryServer } from '../../runtime/src/testing.ts'
import { temporaryFolder } from './project.ts'
import { type RabbitmqNode, sharedRabbitmq } from './rabbitmq.ts'
import { type RedisServer, requireService, startRedis } from './services.ts'

/** One broker of a test's own. */
export interface TestBroker {
  /** Broker, results and a silent logger, for apps that are made elsewhere: their tests close them. */
  readonly options: TqOptions
  /** An app on it, closed when the test ends; every call gives another one. */
  app(options?: TqOptions): Tq
}

/**
 * Describes the same behaviour on memory, SQLite and Redis, with `rabbitmq` (whose results are disabled) there, too. `broker` gives
 * each test an empty one.
 */
export function describeBrokers(
  what: string,
  body: (broker: () => Promise<TestBroker>, name: string) => void,
  { rabbitmq = false }: { readonly rabbitmq?: boolean } = {},
): void {
  describe(`${what} on memory`, () =>
    body(async () => {
      const memory = await createMemoryServer()
      return brokerOf({ broker: 'memory://', backend: 'memory://', memory })
    }, 'memory'))

  describe(`${what} on sqlite`, () =>
    body(async () => brokerOf({ broker: `sqlite://${join(temporaryFolder(), 'tq.db')}` }), 'sqlite'))

  describe.skipIf(!requireService('redis'))(`${what} on redis`, () => {
    let server: RedisServer
    let db = 0
    beforeAll(async () => {
      server = await startRedis('--databases', '200')
    })
    afterAll(() => server.stop())
    // A database for each test: they empty nothing and see nothing of each other.
    body(async () => brokerOf({ broker: server.url.replace(/\/0$/, `/${db++}`) }), 'redis')
  })

  if (!rabbitmq) return
  describe.skipIf(!requireService('rabbitmq'))(`${what} on rabbitmq`, () => {
    let node: RabbitmqNode
    beforeAll(async () => {
      node = await sharedRabbitmq()
    })
    body(async () => {
      const vhost = node.vhost()
      onTestFinished(() => vhost.drop())
      return brokerOf({ broker: vhost.url, backend: 'disabled' })
    }, 'rabbitmq')
  })
}

function brokerOf(own: TqOptions): TestBroker {
  const common: TqOptions = { logger: silentLogger, ...own }
  return {
    options: common,
    app: (options = {}) => {
      const app = new Tq('tests', { ...common, ...options })
      onTestFinished(() => app.close())
      return app
    },
  }
}
