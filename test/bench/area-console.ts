import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startRedis } from '../helpers/services.ts'
import type { Emulator } from '../tui/helpers/emulator.ts'
import { PtySession } from '../tui/helpers/pty.ts'
import { inFolder } from './area-sqlite.ts'
import { buildNote } from './build-note.ts'
import type { Area, Figures, Row } from './harness.ts'
import { percentile } from './harness.ts'
import { cpuUs, pause, type Role, rssMb, withRole } from './role.ts'

const columns = 120
const rows = 30
const keys = 200
const loadMs = 10_000
const brokers = ['SQLite', 'Redis'] as const

export const consoleArea: Area = {
  name: 'console',
  title: `Console: ${columns}x${rows}, list and detail, newest task first`,
  method: [
    `tui/dist${buildNote('tui')} on runtime/dist${buildNote('runtime')} in a pseudo terminal, read by an emulator in this process; compile cache`,
    'warm. Events come from another process over the broker, as those of a worker: three for each task, each row of the',
    'list changes in each batch. key: byte into the terminal until the cursor stands on another task, its drawing included.',
    'CPU: share of one core, all threads. Memory: ring of 5,000 tasks.',
  ],
  rows: brokers.flatMap((broker): readonly Row[] => [
    {
      label: `${broker}: first frame`,
      figure: `${broker}First`,
      unit: 'ms',
      aim: '<= 500 ms',
      how: 'spawn of node until the header is drawn, 2nd start.',
    },
    { label: '  connected', figure: `${broker}Live`, unit: 'ms', how: 'until it says that the broker is live.' },
    { label: '  idle CPU', figure: `${broker}Idle`, unit: '%', aim: '<= 1 %', how: 'over 10 s, no task yet.' },
    { label: '  idle RSS, no task yet', figure: `${broker}RssIdle`, unit: 'MB' },
    {
      label: '  key, idle: p50',
      figure: `${broker}IdleP50`,
      unit: 'ms',
      how: `${keys} keys, j and k in turn, 50 ms apart.`,
    },
    { label: '    p99', figure: `${broker}IdleP99`, unit: 'ms' },
    { label: '  key, 1,000 events/s: p50', figure: `${broker}LoadP50`, unit: 'ms' },
    { label: '    p99', figure: `${broker}LoadP99`, unit: 'ms', aim: '<= 50 ms' },
    { label: '  CPU, 1,000 events/s', figure: `${broker}Cpu1000`, unit: '%', how: 'no keys.' },
    { label: '  CPU, 2,000 events/s', figure: `${broker}Cpu2000`, unit: '%', aim: '<= 30 %' },
    {
      label: '  RSS after load',
      figure: `${broker}Rss`,
      unit: 'MB',
      aim: '<= 250 MB',
      how: 'at the end, with some 25,000 tasks gone by.',
    },
    { label: '  RSS, highest', figure: `${broker}RssPeak`, unit: 'MB', aim: '<= 250 MB' },
  ]),
  run: async () => ({
    ...(await inFolder((folder) => follow(folder, `sqlite://${join(folder, 'tq.db')}`, 'SQLite'))),
    ...(await onRedis()),
  }),
}

async function onRedis(): Promise<Figures> {
  const server = await startRedis()
  try {
    return await inFolder((folder) => follow(folder, server.url, 'Redis'))
  } finally {
    await server.stop()
  }
}

async function follow(folder: string, brokerUrl: string, name: string): Promise<Figures> {
  const project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  const start = (): Promise<Console> => startConsole(project, brokerUrl, join(folder, 'compile-cache'))
  const first = await start()
  await first.leave()
  const console_ = await start()
  try {
    return await withRole('events', async (worker) => {
      await worker.ask('open', brokerUrl)
      const figures = await measureConsole(console_, worker)
      return Object.fromEntries(Object.entries(figures).map(([figure, value]) => [name + figure, value]))
    })
  } finally {
    await console_.leave()
  }
}

async function measureConsole({ pty, pid, firstMs, liveMs }: Console, worker: Role): Promise<Figures> {
  await pause(1500)
  const idle = await share(pid, loadMs)
  const rssIdle = rssMb(pid)
  let peak = rssIdle
  const sampling = setInterval(() => {
    peak = Math.max(peak, rssMb(pid))
  }, 100)
  try {
    await worker.ask('play', 1000)
    await pause(loadMs)
    const cpu1000 = await share(pid, loadMs)
    const load = await pressKeys(pty)
    pty.type('g')
    await worker.ask('play', 2000)
    await pause(2000)
    const cpu2000 = await share(pid, loadMs)
    await worker.ask('play', 1000)
    await pause(2 * loadMs)
    const rss = rssMb(pid)
    await worker.ask('play', 0)
    await pause(1000)
    const pressed = await pressKeys(pty)
    return {
      First: firstMs,
      Live: liveMs,
      RssIdle: rssIdle,
      Cpu1000: cpu1000,
      LoadP50: percentile(load, 0.5),
      LoadP99: percentile(load, 0.99),
      Cpu2000: cpu2000,
      Rss: rss,
      RssPeak: peak,
      IdleP50: percentile(pressed, 0.5),
      IdleP99: percentile(pressed, 0.99),
      Idle: idle,
    }
  } finally {
    clearInterval(sampling)
  }
}

interface Console {
  readonly pty: PtySession
  readonly pid: number
  readonly firstMs: number
  readonly liveMs: number
  leave(): Promise<void>
}

const bin = fileURLToPath(new URL('../../tui/bin/tq-tui.js', import.meta.url))

/** The build through the shell: it tells the id of the process, and is then replaced by it. */
async function startConsole(cwd: string, brokerUrl: string, cache: string): Promise<Console> {
  const flags = process.env['BENCH_NODE_FLAGS'] ?? ''
  const shell = `echo $$ > pid; exec '${process.execPath}' ${flags} '${bin}' --no-worker --broker '${brokerUrl}'`
  const pty = new PtySession({ args: [], cwd, columns, rows, shell, env: { NODE_COMPILE_CACHE: cache } })
  const begin = pty.startedAt
  await pty.until('1 Tasks')
  const firstMs = performance.now() - begin
  await pty.until('●live', 30_000)
  const liveMs = performance.now() - begin
  const leave = async (): Promise<void> => {
    pty.type('q')
    const timer = setTimeout(() => void pty.end(), 5000)
    await pty.exitCode
    clearTimeout(timer)
  }
  return { pty, pid: Number(readFileSync(join(cwd, 'pid'), 'utf8')), firstMs, liveMs, leave }
}

/** Percent of one core. */
async function share(pid: number, ms: number): Promise<number> {
  const [cpu, begin] = [cpuUs(pid), performance.now()]
  await pause(ms)
  return (cpuUs(pid) - cpu) / (performance.now() - begin) / 10
}

/** How long each key took to be seen. */
async function pressKeys(pty: PtySession): Promise<readonly number[]> {
  const times: number[] = []
  for (let n = 0; n < keys; n++) {
    // Now and then back to the newest: a task that is held leaves the ring after a while.
    if (n % 20 === 0) {
      pty.type('gj')
      await pause(300)
    }
    const before = heldTask(pty.screen)
    if (before === undefined) throw new Error(`There is no cursor.\n${pty.screen.text()}`)
    pty.type(n % 2 === 0 ? 'j' : 'k')
    times.push(await pty.until((screen) => ![before, undefined].includes(heldTask(screen)), 10_000))
    await pause(50)
  }
  return times
}

/** Name and id of the task under the cursor. */
function heldTask(screen: Emulator): string | undefined {
  return screen
    .lines()
    .find((line) => line.startsWith('>'))
    ?.slice(11, 45)
}
