import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { debianPython } from '../../helpers/install.ts'
import { pythonEnv } from '../../helpers/python-environment.ts'
import { cpuUs, serve } from '../role.ts'

// Python's Celery, as client or as worker: this process only carries the words.

const folder = fileURLToPath(new URL('python/', import.meta.url))
let url = ''
let child: ChildProcess | undefined

serve({
  open: ({ port }: { port: number }) => {
    url = `redis://127.0.0.1:${port}/0`
  },
  enqueue: ({ count }: { count: number }) => ask({ op: 'enqueue', count }),
  roundTrips: ({ count }: { count: number }) => ask({ op: 'roundTrips', count }),
  work: ({ concurrency }: { concurrency: number }) => {
    const pool = concurrency === 1 ? ['-P', 'solo'] : ['-P', 'prefork', '-c', String(concurrency)]
    const quiet = ['--without-mingle', '--without-gossip', '--without-heartbeat', '-l', 'ERROR']
    child = python(['-m', 'celery', '-A', 'bench_celery', 'worker', ...pool, ...quiet], 'ignore')
  },
  /** Of the worker and its children. */
  cpu: () => tree(child?.pid ?? 0).reduce((sum, pid) => sum + cpuUs(pid), 0),
  close: async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child?.once('exit', resolve))
    // The worker leads a group of its own, and its children with it.
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await gone
  },
})

function ask(request: object): Promise<unknown> {
  child ??= python(['bench_celery.py'], 'pipe')
  const { stdin, stdout } = child
  if (!stdin || !stdout) throw new Error('This process is the worker.')
  const lines = createInterface({ input: stdout })
  stdin.write(`${JSON.stringify(request)}\n`)
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)))
    child?.once('exit', (code) => reject(new Error(`Python ended with ${code}.`)))
  })
}

function python(args: readonly string[], stdio: 'pipe' | 'ignore'): ChildProcess {
  const env = { ...process.env, ...pythonEnv({ TQ_BENCH_URL: url }) }
  return spawn(debianPython, args, { cwd: folder, env, detached: true, stdio: [stdio, stdio, 'inherit'] })
}

function tree(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(tree)]
}
