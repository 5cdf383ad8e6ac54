import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { Tq } from 'tq-runtime'
import { startRedis } from '../helpers/services.ts'
import { inFolder } from './area-sqlite.ts'
import { buildNote } from './build-note.ts'
import type { Area, Figures, Scale } from './harness.ts'
import { cpuUs, pause, rssMb } from './role.ts'

// What starts is the build, as users have it: Node strips no types there.
const runtime = new URL('../../runtime/', import.meta.url)
const index = new URL('dist/index.js', runtime)
const bin = fileURLToPath(new URL('bin/tq.js', runtime))

export const startArea: Area = {
  name: 'start',
  title: 'Start and rest',
  method: [
    `runtime/dist${buildNote('runtime')}, plain JavaScript modules, compile cache on and warm (the second start); each figure is the`,
    'best of 3 starts of a run. first result: from spawn until the result of a message that waited is with a client elsewhere.',
  ],
  rows: [
    { label: 'node -e 0', figure: 'node', unit: 'ms' },
    {
      label: 'import tq-runtime',
      figure: 'import',
      unit: 'ms',
      raw: { figure: 'node', label: 'node -e 0' },
      how: 'spawn to exit of a module that imports it and makes an app with one task.',
    },
    {
      label: 'Redis: spawn to first result',
      figure: 'redisFirst',
      unit: 'ms',
      raw: { figure: 'bareFirst', label: 'node + ioredis' },
      aim: '<= 100 ms',
      how: 'app.startWorker() in a module of one task; raw: RPOP, SETEX, PUBLISH by bare ioredis.',
    },
    {
      label: 'SQLite: spawn to first result',
      figure: 'sqliteFirst',
      unit: 'ms',
      raw: { figure: 'node', label: 'node -e 0' },
      aim: '<= 100 ms',
    },
    {
      label: 'tq worker (CLI): first result',
      figure: 'cliFirst',
      unit: 'ms',
      raw: { figure: 'node', label: 'node -e 0' },
      aim: '<= 100 ms',
      how: 'SQLite, -A app.mjs: command line, loader and worker.',
    },
    { label: 'tq --version', figure: 'version', unit: 'ms', raw: { figure: 'node', label: 'node -e 0' } },
    {
      label: 'tq status: first output',
      figure: 'status',
      unit: 'ms',
      raw: { figure: 'node', label: 'node -e 0' },
      aim: '<= 150 ms',
      how: 'SQLite, one worker alive; from spawn to the first byte on stdout.',
    },
    {
      label: 'idle worker RSS, SQLite',
      figure: 'sqliteRss',
      unit: 'MB',
      aim: '<= 75 MB',
      how: 'async pool, after its first task.',
    },
    { label: 'idle worker CPU, SQLite', figure: 'sqliteIdle', unit: '%', aim: '<= 0.5 %' },
    {
      label: 'idle worker RSS, Redis',
      figure: 'redisRss',
      unit: 'MB',
      raw: { figure: 'bareRss', label: 'node + ioredis' },
      aim: '<= 75 MB',
    },
    { label: 'idle worker CPU, Redis', figure: 'redisIdle', unit: '%', aim: '<= 0.5 %' },
  ],
  run: (scale) => inFolder((folder) => starts(folder, scale)),
}

async function starts(folder: string, scale: Scale): Promise<Figures> {
  const server = await startRedis()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const definition = `import { Tq } from ${JSON.stringify(index.href)}
export const app = new Tq('bench', { taskAcksLate: true })
app.task('bench.add', (x, y) => x + y)\n`
  // A project of its own: the loader looks for tasks in the folder of the nearest package.json, and in no other.
  mkdirSync(join(folder, 'project'))
  file('project/package.json', '{ "type": "module" }')
  const only = file('project/app.mjs', definition)
  const worker = file('worker.mjs', `${definition}await app.startWorker({ concurrency: 10 })\n`)
  const ioredis = import.meta.resolve('ioredis')
  const bare = file(
    'bare.mjs',
    `import { Redis } from ${JSON.stringify(ioredis)}
const redis = new Redis(process.env.TQ_BROKER_URL)
const [, text] = await redis.brpop('bare', 0)
await redis.setex('bare-result', 86400, text)
await redis.publish('bare-result', text)\n`,
  )
  const sqliteUrl = `sqlite://${join(folder, 'tq.db')}`
  const base = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache'), NODE_ENV: 'production' }
  const redisEnv = { ...base, TQ_BROKER_URL: server.url }
  const sqliteEnv = { ...base, TQ_BROKER_URL: sqliteUrl }
  try {
    const onRedis = await firstResult(server.url, [worker], redisEnv, scale)
    const onSqlite = await firstResult(sqliteUrl, [worker], sqliteEnv, scale)
    const cli = [bin, 'worker', '-A', only, '-c', '10', '-l', 'warn']
    const onCli = await firstResult(sqliteUrl, cli, sqliteEnv, { ...scale, idleMs: 0 })
    const bareWorker = await bareFirst(server.url, bare, redisEnv)
    return {
      node: await best(() => toExit(['-e', '0'], base)),
      import: await best(() => toExit([only], base)),
      redisFirst: onRedis.firstMs,
      bareFirst: bareWorker.firstMs,
      sqliteFirst: onSqlite.firstMs,
      cliFirst: onCli.firstMs,
      version: await best(() => toExit([bin, '--version'], base)),
      status: await statusOutput(worker, only, sqliteUrl, sqliteEnv),
      sqliteRss: onSqlite.rss,
      sqliteIdle: onSqlite.idle,
      redisRss: onRedis.rss,
      redisIdle: onRedis.idle,
      bareRss: bareWorker.rss,
    }
  } finally {
    await server.stop()
  }
}

/** The quickest of three, after one that fills the compile cache. */
async function best(once: () => Promise<number>): Promise<number> {
  await once()
  return Math.min(await once(), await once(), await once())
}

interface Child {
  readonly pid: number
  readonly startedMs: number
  /** Time (ms since the start) of the first byte on stdout; of the exit where there is none. */
  readonly output: Promise<number>
  readonly exit: Promise<number>
  end(): Promise<unknown>
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): Child {
  const startedMs = performance.now()
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  const exit = new Promise<number>((resolve) => {
    child.once('exit', () => {
      process.off('exit', kill)
      resolve(performance.now() - startedMs)
    })
  })
  const output = new Promise<number>((resolve) => {
    child.stdout.once('data', () => resolve(performance.now() - startedMs))
    void exit.then(resolve)
  })
  child.stdout.resume()
  const end = (): Promise<unknown> => {
    kill()
    return exit
  }
  return { pid: child.pid ?? 0, startedMs, output, exit, end }
}

function toExit(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return start(args, env).exit
}

interface First {
  readonly firstMs: number
  readonly rss: number
  readonly idle: number
}

async function firstResult(
  brokerUrl: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { idleMs }: Scale,
): Promise<First> {
  const app = new Tq('client', { brokerUrl, taskSendSentEvent: false })
  let rss = NaN
  let idle = NaN
  const once = async (measureIdle: boolean): Promise<number> => {
    const result = await app.sendTask('bench.add', [1, 2])
    await result.state()
    const child = start(args, env)
    await result.get({ timeout: 20 })
    const firstMs = performance.now() - child.startedMs
    if (measureIdle && idleMs > 0) {
      await pause(1500)
      const begin = cpuUs(child.pid)
      await pause(idleMs)
      idle = (cpuUs(child.pid) - begin) / (idleMs * 10)
      rss = rssMb(child.pid)
    }
    await child.end()
    return firstMs
  }
  try {
    await once(false)
    const times = [await once(false), await once(false), await once(true)]
    return { firstMs: Math.min(...times), rss, idle }
  } finally {
    await app.close()
  }
}

async function bareFirst(url: string, program: string, env: NodeJS.ProcessEnv): Promise<First> {
  const redis = new Redis(url)
  const listener = new Redis(url)
  await listener.subscribe('bare-result')
  let rss = NaN
  const once = async (): Promise<number> => {
    await redis.lpush('bare', 'x'.repeat(870))
    const done = new Promise((resolve) => listener.once('message', resolve))
    const child = start([program], env)
    await done
    const firstMs = performance.now() - child.startedMs
    await pause(300)
    rss = rssMb(child.pid)
    await child.end()
    return firstMs
  }
  try {
    return { firstMs: await best(once), rss, idle: NaN }
  } finally {
    redis.disconnect()
    listener.disconnect()
  }
}

async function statusOutput(worker: string, only: string, brokerUrl: string, env: NodeJS.ProcessEnv): Promise<number> {
  const app = new Tq('client', { brokerUrl })
  const child = start([worker], env)
  try {
    await (await app.sendTask('bench.add', [1, 2])).get({ timeout: 20 })
    return await best(async () => {
      const status = start([bin, 'status', '-A', only], env)
      const firstMs = await status.output
      await status.exit
      return firstMs
    })
  } finally {
    await child.end()
    await app.close()
  }
}
