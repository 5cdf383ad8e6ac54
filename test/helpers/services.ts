import { tmpdir } from 'node:os'
import { freePort } from './free-port.ts'
import { howToInstall, isInstalled, serviceNeeds, skippedServices } from './install.ts'
import { spawnProcess } from './process.ts'

export { freePort } from './free-port.ts'

/**
 * Whether tests that need the service run: false where `TQ_SKIP` names it. A service that is neither skipped nor installed
 * throws, with the command that installs it.
 */
export function requireService(name: string): boolean {
  const need = serviceNeeds.find((one) => one.name === name)
  if (!need)
    throw new Error(`There is no service ${name}; tests may need ${serviceNeeds.map((one) => one.name).join(', ')}.`)
  if (skippedServices().includes(name)) return false
  if (isInstalled(need)) return true
  throw new Error(`These tests need ${name}. ${howToInstall(need)}  or leave them out:  TQ_SKIP=${name}`)
}

/** A private Redis without persistence. */
export interface RedisServer {
  /** `redis://127.0.0.1:<port>/0` */
  readonly url: string
  readonly port: number
  /** Of the process that runs now: another one after `restart`. */
  readonly pid: number
  /** Ends it and its folder; also done when the test, or the process of the tests, ends. */
  stop(): Promise<void>
  /** Stops the process in its tracks: connections stand, nothing answers. */
  pause(): void
  resume(): void
  /** Kills it without a goodbye; the port stays reserved for `restart`. */
  kill(): Promise<void>
  /** An empty server on the same port. */
  restart(): Promise<void>
}

/** Starts a Redis of the test's own on a free port; resolves when it takes connections. */
export async function startRedis(...extra: readonly string[]): Promise<RedisServer> {
  const port = await freePort()
  const start = async (): Promise<ReturnType<typeof spawnProcess>> => {
    // It writes nothing, so it needs no folder of its own.
    const options = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      tmpdir(),
    ]
    const started = spawnProcess('redis-server', [...options, ...extra])
    await started.waitForLine('Ready to accept connections')
    return started
  }
  let server = await start()
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    get pid() {
      return server.pid
    },
    stop: async () => {
      server.kill('SIGCONT')
      await server.stop()
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    kill: async () => {
      await server.stop(0)
    },
    restart: async () => {
      await server.stop(0)
      server = await start()
    },
  }
}
