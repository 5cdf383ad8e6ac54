import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Both ends of a process that plays a part in a benchmark. It lives no longer than its parent: the IPC channel tells it.

export type Handlers = Readonly<Record<string, (args: never) => unknown>>

interface Request {
  readonly id: number
  readonly op: string
  readonly args: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** The child's side: answers what the parent asks. */
export function serve(handlers: Handlers): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (request: Request) => {
    const handler = handlers[request.op] as ((args: unknown) => unknown) | undefined // asked by our own parent
    const answer = async (): Promise<unknown> => {
      if (!handler) throw new Error(`There is no ${request.op}.`)
      return handler(request.args)
    }
    answer().then(
      (value) => process.send?.({ id: request.id, value } satisfies Answer),
      (error: unknown) => {
        process.send?.({ id: request.id, error: error instanceof Error ? error.stack : String(error) })
      },
    )
  })
}

/** A point in the life of a process: epoch ms with fractions, and the CPU time it had used (us). */
export interface Mark {
  readonly atMs: number
  readonly cpuUs: number
}

/** Taken by the process itself. */
export function ownMark(): Mark {
  return { atMs: performance.timeOrigin + performance.now(), cpuUs: cpuUs(process.pid) }
}

/** CPU time of all threads of a process. Source: Linux, /proc/<pid>/task/<tid>/schedstat (ns on the processor). */
export function cpuUs(pid: number): number {
  let total = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000
    } catch {
      // A thread that has just ended.
    }
  }
  return total
}

export function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** The parent's side of one child. */
export class Role {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 1

  /** `name` is that of a file in `roles/`. */
  constructor(name: string) {
    this.#child = fork(fileURLToPath(new URL(`roles/${name}.ts`, import.meta.url)), {
      execArgv: ['--conditions=@tq/source', ...(process.env['BENCH_NODE_FLAGS']?.split(' ') ?? [])],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    this.#child.on('message', ({ id, value, error }: Answer) => {
      const asked = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) asked?.resolve(value)
      else asked?.reject(new Error(`${name}: ${error}`))
    })
    this.#child.once('exit', (code) => {
      for (const asked of this.#waiting.values()) asked.reject(new Error(`${name} ended with ${code}.`))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  ask<T = unknown>(op: string, args?: unknown): Promise<T> {
    const id = this.#next++
    const asked = Promise.withResolvers<unknown>()
    this.#waiting.set(id, asked)
    this.#child.send({ id, op, args } satisfies Request)
    return asked.promise as Promise<T> // what the handler of that name gives
  }

  /** Asks it to `close`, where it knows how, and waits for its end. */
  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    await this.ask('close').catch(() => undefined)
    this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await gone
    clearTimeout(timer)
  }
}

/** Runs `fn` with a role that is stopped afterwards, whatever happens. */
export async function withRole<T>(name: string, fn: (role: Role) => Promise<T>): Promise<T> {
  const role = new Role(name)
  try {
    return await fn(role)
  } finally {
    await role.stop()
  }
}

/** Asks every 2 ms until the answer is true. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Not done after ${timeoutMs} ms.`)
    await pause(2)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
