import { debianPython } from './install.ts'
import { type RunningProcess, spawnProcess } from './process.ts'
import { pythonEnv, pythonFolder } from './python-environment.ts'
import { waitFor } from './wait.ts'

/** What Celery reports about the end of a task. */
export interface PythonResult {
  readonly status: string
  /** The value, or of a failed task its exception as `{ type, module, args, text }`. */
  readonly result: unknown
  readonly traceback: string | null
}

/** An event dict as Celery's receiver hands it to a monitor. */
export interface PythonEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/** Limits of a question to the workers. */
export interface AskOptions {
  /** Node names; every worker when left out. */
  readonly destination?: readonly string[] | undefined
  /** Seconds that answers are waited for, which is always waited out without a destination; 2 when left out. */
  readonly timeout?: number | undefined
}

/** A Python program that uses Celery as a client. It does one thing at a time, in the order of the calls. */
export interface PythonClient {
  readonly process: RunningProcess
  /** Sends a task by name and resolves with its id. `options` are those of `apply_async`: `{ queue: 'py', countdown: 1 }`. */
  sendTask(
    name: string,
    args: readonly unknown[],
    options?: Readonly<Record<string, unknown>> & { readonly kwargs?: Readonly<Record<string, unknown>> },
  ): Promise<string>
  /** Sends a canvas given as Celery's signature dict; resolves with the ids, `[[id, parent], children]`. */
  applySignature(signature: unknown, options?: Readonly<Record<string, unknown>>): Promise<unknown>
  /** Waits up to `timeout` seconds (10) for the end of a task. A failed task is a result, not an error. */
  result(taskId: string, timeout?: number): Promise<PythonResult>
  /** As `result`, as it is now; `PENDING` where nothing is stored. */
  outcome(taskId: string): Promise<PythonResult>
  /** The stored result document as it is now. */
  meta(taskId: string): Promise<Readonly<Record<string, unknown>>>
  /** `inspect('ping' | 'stats' | 'active' | …)`: the answers by worker. */
  inspect(method: string, options?: AskOptions): Promise<Readonly<Record<string, unknown>>>
  /** A remote control command by its wire name, e.g. `control('revoke', { task_id: id })`: one `{ worker: reply }` each. */
  control(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options?: AskOptions & { readonly reply?: boolean | undefined },
  ): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Waits until the worker, Python's or ours, answers a ping. */
  workerAnswers(nodename: string): Promise<void>
  /** Starts to capture events; on return the subscription stands. They are in `events` as they come. */
  captureEvents(): Promise<void>
  readonly events: readonly PythonEvent[]
  waitForEvent(matches: (event: PythonEvent) => boolean, what: string, timeoutMs?: number): Promise<PythonEvent>
  /** Ends the program; not needed in a test, whose end does it. */
  close(): Promise<void>
}

export interface PythonClientOptions {
  readonly brokerUrl: string
  readonly backendUrl: string
  /** Celery settings to add, e.g. `{ task_serializer: 'msgpack' }`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
}

/** Starts test/interop/python/client.py; resolves when it takes calls. */
export async function pythonClient({ brokerUrl, backendUrl, config = {} }: PythonClientOptions): Promise<PythonClient> {
  const program = spawnProcess(debianPython, ['client.py'], {
    cwd: pythonFolder,
    env: pythonEnv({
      TQ_BROKER_URL: brokerUrl,
      TQ_RESULT_BACKEND: backendUrl,
      TQ_CONFIG: JSON.stringify(config),
    }),
    cleanEnv: true,
  })
  await program.waitForLine('"ready"', 30_000)
  return new Client(program)
}

interface Answer {
  readonly id: number
  readonly ok?: unknown
  readonly error?: { readonly type: string; readonly message: string }
}

class Client implements PythonClient {
  readonly process: RunningProcess
  readonly #events: PythonEvent[] = []
  readonly #answers = new Map<number, Answer>()
  #asked = 0
  #read = 0

  constructor(program: RunningProcess) {
    this.process = program
  }

  get events(): readonly PythonEvent[] {
    this.#readOutput()
    return this.#events
  }

  async sendTask(
    name: string,
    args: readonly unknown[],
    {
      kwargs,
      ...options
    }: Readonly<Record<string, unknown>> & { readonly kwargs?: Readonly<Record<string, unknown>> } = {},
  ): Promise<string> {
    return (await this.#ask('send_task', { name, args, kwargs, options })) as string
  }

  async applySignature(signature: unknown, options?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return await this.#ask('apply_signature', { signature, options })
  }

  async result(taskId: string, timeout = 10): Promise<PythonResult> {
    return (await this.#ask('result', { task_id: taskId, timeout }, timeout)) as PythonResult
  }

  async outcome(taskId: string): Promise<PythonResult> {
    return (await this.#ask('outcome', { task_id: taskId })) as PythonResult
  }

  async meta(taskId: string): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#ask('meta', { task_id: taskId })) as Record<string, unknown>
  }

  async inspect(
    method: string,
    { destination, timeout = 2 }: AskOptions = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#ask('inspect', { method, destination, timeout }, timeout)) as Record<string, unknown>
  }

  async control(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    { destination, timeout = 2, reply = true }: AskOptions & { readonly reply?: boolean | undefined } = {},
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const parameters = { command, arguments: args, destination, timeout, reply }
    return ((await this.#ask('control', parameters, timeout)) ?? []) as Record<string, unknown>[]
  }

  async workerAnswers(nodename: string): Promise<void> {
    const answers = async (): Promise<boolean> =>
      nodename in (await this.inspect('ping', { destination: [nodename], timeout: 0.5 }))
    await waitFor(answers, { what: `an answer of ${nodename} to a ping`, timeoutMs: 45_000 })
  }

  async captureEvents(): Promise<void> {
    await this.#ask('capture_events', {})
  }

  async waitForEvent(matches: (event: PythonEvent) => boolean, what: string, timeoutMs?: number): Promise<PythonEvent> {
    return await waitFor(() => this.events.find(matches), { what, timeoutMs })
  }

  async close(): Promise<void> {
    this.process.child.stdin?.end()
    await this.process.stop()
  }

  /** `seconds`: how long Python itself may take before it answers. */
  async #ask(op: string, parameters: Readonly<Record<string, unknown>>, seconds = 0): Promise<unknown> {
    const id = ++this.#asked
    this.process.write(`${JSON.stringify({ id, op, ...parameters })}\n`)
    const answer = await Promise.race([
      waitFor(
        () => {
          this.#readOutput()
          return this.#answers.get(id)
        },
        { what: `Python's answer to ${op}`, timeoutMs: 45_000 + seconds * 1000 },
      ),
      this.process.exit.then((): never => {
        throw new Error(`The Python client ended during ${op}.\n${this.process.stderr.slice(-4000)}`)
      }),
    ])
    this.#answers.delete(id)
    if (answer.error) throw new Error(`Python: ${answer.error.type}: ${answer.error.message}`)
    return answer.ok
  }

  #readOutput(): void {
    const end = this.process.stdout.lastIndexOf('\n') + 1
    const fresh = this.process.stdout.slice(this.#read, end)
    this.#read = Math.max(this.#read, end)
    for (const line of fresh.split('\n').filter((text) => text !== '')) {
      const document = JSON.parse(line) as { event?: PythonEvent } & Partial<Answer>
      if (document.event) this.#events.push(document.event)
      else if (document.id !== undefined) this.#answers.set(document.id, { ...document, id: document.id })
    }
  }
}
