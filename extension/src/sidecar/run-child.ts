import { createRequire, enableCompileCache } from 'node:module'
import { dirname, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { LoadedApp, LoadOptions } from 'tq-runtime/loader'
import type { ArgumentValue } from './protocol.ts'
import type { RunNote, RunOrder } from './run-protocol.ts'

// The process of one run: loads the user's code with the project's own copy of tq-runtime, sends one task, ends. Whatever
// the user's code does here, it does to this process alone.

const longestLifeMs = 20_000

// Compiling tq-runtime takes a third of the time that a run takes to be sent.
enableCompileCache?.()

process.once('message', (order: RunOrder) => {
  // The parent kills it sooner; this is for a parent that is gone while user code hangs, where no event is heard any more.
  const watch = new Worker(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${longestLifeMs})`, { eval: true })
  watch.unref()
  void perform(order)
})
process.on('disconnect', () => process.exit(1))
// What is missing is said by the run that needs it.
const [ahead] = process.argv.slice(2)
if (ahead !== undefined) loadRuntime(ahead).catch(() => undefined)

/** Of the project; none of the user's own code. */
async function loadRuntime(file: string): Promise<void> {
  await projectLoader(file)
  await import(pathToFileURL(createRequire(file).resolve('tq-runtime')).href)
}

async function perform(order: RunOrder): Promise<void> {
  try {
    const { loaded, task } = await find(order)
    await tell({ on: 'loaded', queue: task.describe().queue })
    // Sent like any other: who clicks Run wants to see the queue work.
    loaded.app.eager = false
    const result = await task.applyAsync(order.args.map(valueOf).slice(0, countOf(order.args)))
    await tell({ on: 'sent', id: result.id })
    await loaded.app.close()
  } catch (error) {
    await tell(failure(error))
  }
  process.exit(0)
}

/** What is used of a task; the project's copy of tq-runtime may be another version than ours. */
interface Callable {
  readonly taskName: string
  describe(): { readonly queue: string | undefined }
  applyAsync(args: readonly unknown[]): Promise<{ readonly id: string }>
}

async function find(order: RunOrder): Promise<{ readonly loaded: LoadedApp; readonly task: Callable }> {
  const loader = await projectLoader(order.file)
  const loaded = await loader.loadApp({ app: order.app, cwd: process.cwd() })
  const tasks = loaded.app.tasks()
  const found: unknown = tasks.find(({ taskName }) => taskName === order.task)
  if (isCallable(found)) return { loaded, task: found }
  throw new NotFound(order.task, loaded)
}

interface Loader {
  loadApp(options: LoadOptions): Promise<LoadedApp>
}

/** The copy of tq-runtime that the app's module itself gets when it imports it. */
async function projectLoader(file: string): Promise<Loader> {
  let path: string
  try {
    path = createRequire(file).resolve('tq-runtime/loader')
  } catch (cause) {
    throw new RunError(`tq-runtime is not installed for ${dirname(file)}. Install it: npm install tq-runtime`, {
      cause,
    })
  }
  const module: unknown = await import(pathToFileURL(path).href)
  if (typeof module === 'object' && module !== null && 'loadApp' in module && typeof module.loadApp === 'function') {
    return module as Loader // checked as far as it can be
  }
  throw new RunError(
    `The project's tq-runtime (${path}) has no loadApp; it is older than this extension can work with.`,
  )
}

class RunError extends Error {}

class NotFound extends RunError {
  constructor(name: string, { app, taskFiles, failures }: LoadedApp) {
    const near = app.registry.nearest(name)
    const where = `${app.tasks().length} tasks from ${taskFiles.length} files`
    const failed = failures.map(({ file, line, message }) => {
      return `Could not import ${relative(process.cwd(), file)}${line === undefined ? '' : `:${line}`}. ${message}`
    })
    const reason = failed[0] ?? (near === undefined ? '' : `Did you mean '${near}'?`)
    super(`Task '${name}' is not registered with app '${app.main}' (${where}). ${reason}`.trim())
    this.detail = [this.message, ...failed].join('\n')
  }

  readonly detail: string
}

function isCallable(value: unknown): value is Callable {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && 'applyAsync' in value
}

function valueOf(argument: ArgumentValue): unknown {
  switch (argument.kind) {
    case 'json':
      return argument.value
    case 'date':
      return dateOf(argument.iso)
    case 'bigint':
      return BigInt(argument.digits)
    case 'undefined':
      return undefined
    default:
      return argument satisfies never
  }
}

function dateOf(iso: string): Date {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) throw new RunError(`'${iso}' is not a date.`)
  return date
}

/** Without the undefined ones at the end: a parameter that is left out keeps its default. */
function countOf(args: readonly ArgumentValue[]): number {
  return args.findLastIndex(({ kind }) => kind !== 'undefined') + 1
}

function failure(error: unknown): RunNote {
  const message = error instanceof Error ? error.message || error.name : String(error)
  if (error instanceof NotFound) return { on: 'failed', message, detail: error.detail }
  const parts: string[] = []
  const seen = new Set<unknown>()
  for (let at: unknown = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at)
    parts.push(at.stack ?? `${at.name}: ${at.message}`)
  }
  return { on: 'failed', message, detail: parts.join('\nCaused by: ') || message }
}

/** Resolves when the parent has it. */
function tell(note: RunNote): Promise<void> {
  return new Promise((resolve) => {
    if (process.send) process.send(note, () => resolve())
    else resolve()
  })
}
