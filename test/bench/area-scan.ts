import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type * as scanning from 'tq-runtime/scan'
import { inFolder } from './area-sqlite.ts'
import { buildNote } from './build-note.ts'
import type { Area, Figures } from './harness.ts'
import { percentile } from './harness.ts'
import { cpuUs, pause, withRole } from './role.ts'
import { type GeneratedWorkspace, generateWorkspace } from './workspace-generator.ts'

const files = 10_000
const edits = 200

export const scanArea: Area = {
  name: 'scan',
  title: `Scanner: ${files.toLocaleString('en-US')} TypeScript files, 500 of them with tasks`,
  method: [
    `runtime/dist${buildNote('runtime')}. A generated workspace (seed 1: 33 MB, some 4,500 tasks in ten forms, 1,900 calls) under git, in the`,
    'page cache; each scan through ScanClient in a process of its own, compile cache warm. CPU: user and system time of that',
    'process with its children (git), until the answer is out; wall: from the spawn until the result is here.',
  ],
  rows: [
    { label: 'raw: read every file', figure: 'read', unit: 'ms', how: 'CPU of open, read, close into one buffer.' },
    {
      label: 'raw: load and parse',
      figure: 'parse',
      unit: 'ms',
      how: 'CPU to load the TypeScript of ts-morph and to parse the files that hold a mark of a task, nothing else.',
    },
    {
      label: 'cold: CPU',
      figure: 'coldCpu',
      unit: 'ms',
      raw: { figure: 'raw', label: 'read + parse' },
      aim: '<= 1,500 ms',
      how: 'no cache of summaries.',
    },
    { label: 'cold: wall', figure: 'cold', unit: 'ms' },
    { label: 'cold: peak RSS', figure: 'coldRss', unit: 'MB', aim: '<= 300 MB' },
    { label: 'reopen: wall', figure: 'reopen', unit: 'ms', aim: '<= 300 ms', how: 'with the cache, nothing changed.' },
    { label: 'reopen: CPU', figure: 'reopenCpu', unit: 'ms' },
    {
      label: 'edit, file of 10 tasks: p50',
      figure: 'editP50',
      unit: 'ms',
      aim: '<= 10 ms',
      how: `change() to its answer, ${edits} texts one after the other; a character more in the name of a task.`,
    },
    { label: '  p99', figure: 'editP99', unit: 'ms' },
    { label: '  CPU per edit', figure: 'editCpu', unit: 'ms' },
    {
      label: 'edit, file of constants: p50',
      figure: 'constP50',
      unit: 'ms',
      aim: '<= 10 ms',
      how: 'the same in a constant on which 49 other files rest, and the names of some 50 tasks.',
    },
    { label: '  p99', figure: 'constP99', unit: 'ms' },
    { label: '  CPU per edit', figure: 'constCpu', unit: 'ms' },
  ],
  run: () => inFolder(measureScan),
}

async function measureScan(folder: string): Promise<Figures> {
  const { ScanClient } = await scanModule()
  const workspace = generateWorkspace(join(folder, 'workspace'), { seed: 1, files })
  commit(workspace.folder)
  const cacheFile = join(folder, 'scan.json')
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compile-cache') }
  const raw = await rawFigures(workspace.folder)
  const open = async (): Promise<Opened> => {
    const begin = performance.now()
    const client = new ScanClient({ env })
    const result = await client.open(workspace.folder, { cacheFile })
    const wallMs = performance.now() - begin
    const pid = client.pid ?? 0
    const measured = { result, wallMs, cpuMs: cpuWithChildrenMs(pid), rss: peakRssMb(pid) }
    return { ...measured, client, pid }
  }
  // Fills the compile cache and the page cache.
  const first = await open()
  await first.client.stop()
  check(first.result, workspace)
  rmSync(cacheFile)
  const cold = await open()
  await cold.client.stop()
  const again = await open()
  try {
    check(again.result, workspace)
    if (again.result.files.parsed > 0) throw new Error('The cache was not used.')
    await pause(500)
    const edit = await measureEdits(again, workspace.folder, workspace.taskFile, /service00\.item0x0\w*/)
    const constant = await measureEdits(again, workspace.folder, workspace.constantsFile, /(?<=sync: ')\w+/)
    return {
      ...raw,
      coldCpu: cold.cpuMs,
      cold: cold.wallMs,
      coldRss: cold.rss,
      reopen: again.wallMs,
      reopenCpu: again.cpuMs,
      editP50: percentile(edit.times, 0.5),
      editP99: percentile(edit.times, 0.99),
      editCpu: edit.cpuMs,
      constP50: percentile(constant.times, 0.5),
      constP99: percentile(constant.times, 0.99),
      constCpu: constant.cpuMs,
    }
  } finally {
    await again.client.stop()
  }
}

/** The build, as users have it: Node strips no types there. */
async function scanModule(): Promise<typeof scanning> {
  return (await import(new URL('../../runtime/dist/scan/index.js', import.meta.url).href)) as typeof scanning // the same module, built
}

interface Opened {
  readonly client: scanning.ScanClient
  readonly pid: number
  readonly result: scanning.ScanResult
  readonly wallMs: number
  readonly cpuMs: number
  readonly rss: number
}

/** A repository, as folders that are opened in an editor are. */
function commit(folder: string): void {
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
  ])
    execFileSync('git', args, { cwd: folder, stdio: 'ignore' })
}

async function rawFigures(folder: string): Promise<Figures> {
  return withRole('scan-raw', async (role) => {
    await role.ask('list', folder)
    await role.ask('read')
    const read = await role.ask<number>('read')
    const { ms: parse } = await role.ask<{ ms: number }>('parse')
    return { read, parse, raw: read + parse }
  })
}

function check({ tasks, calls, diagnostics, files: found }: scanning.ScanResult, workspace: GeneratedWorkspace): void {
  const wrong = (what: string, is: unknown, expected: unknown): void => {
    if (is !== expected) throw new Error(`The scan found ${String(is)} ${what} instead of ${String(expected)}.`)
  }
  wrong('files', found.listed, workspace.files)
  wrong('definitions', tasks.length, workspace.definitions)
  wrong('calls', calls.length, workspace.calls)
  const collisions = diagnostics.filter(({ code }) => code === 'duplicate-task')
  wrong('collisions', [...new Set(collisions.map(({ task }) => task))].join(), workspace.collision)
}

async function measureEdits(
  { client, pid }: Opened,
  folder: string,
  file: string,
  place: RegExp,
): Promise<{ readonly times: readonly number[]; readonly cpuMs: number }> {
  const text = readFileSync(join(folder, file), 'utf8')
  const times: number[] = []
  const edited = async (n: number): Promise<number> => {
    const next = text.replace(place, (word) => word + 'abcdefghij'.slice(0, n % 10))
    const begin = performance.now()
    const diff = await client.change(file, next, n)
    if (diff.changed.length === 0) throw new Error(`An edit of ${file} changed nothing.`)
    return performance.now() - begin
  }
  for (let n = 1; n <= 20; n++) await edited(n)
  const begin = cpuUs(pid)
  for (let n = 21; n <= 20 + edits; n++) times.push(await edited(n))
  const cpuMs = (cpuUs(pid) - begin) / 1000 / edits
  await client.close(file)
  return { times, cpuMs }
}

/** User and system time so far, of children that have ended too. Source: Linux, /proc/<pid>/stat, fields 14 to 17 in 1/100 s. */
function cpuWithChildrenMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) * 10
}

function peakRssMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
