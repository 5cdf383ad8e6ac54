import { text as wholeText } from 'node:stream/consumers'
import type { AsyncResult } from '../app/async-result.ts'
import type { TqApp } from '../app/tq.ts'
import type { Timer } from '../core/clock.ts'
import { isTqError, TimeoutError } from '../core/errors.ts'
import { deferred } from '../core/lifecycle.ts'
import { errorOf } from '../app/async-result.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { CallFlags, ResultFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, toJson } from './output.ts'

const noticeMs = 3000
const sendingMs = 2000

/** `tq call`: sends, waits, prints the value. Exit 3 when the task failed, 4 when nothing came in time. */
export async function runCall(task: string, words: readonly string[], flags: CallFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const args = await readArgs(words, flags.args)
    const kwargs = readObject(flags.kwargs)
    known(app, task, args, kwargs, flags.broker !== undefined)
    if (flags.eager) app.eager = true
    else if (flags.wait !== false)
      await startWorker(app, app.router.queueOf(task, app.registry.get(task)?.definition.options, flags), output)
    const { countdown, eta, expires, queue, priority, taskId } = flags
    const send = (): Promise<AsyncResult<unknown>> =>
      app.sendTask(task, args, kwargs, { countdown, eta, expires, queue, priority, taskId })
    if (flags.wait === false) {
      const { id } = await send()
      output.data(flags.json ? toJson({ id }) : id)
      return
    }
    const interruption = onInterrupt()
    try {
      const result = await sent(app, send, interruption.signal)
      await printResult(app, result, flags, output, interruption.signal)
    } finally {
      interruption.end()
    }
  } finally {
    await app.close()
  }
}

/** A name that the project does not know is a mistake unless another service may have it. */
function known(
  app: TqApp,
  name: string,
  args: readonly unknown[],
  kwargs: Record<string, unknown>,
  foreign: boolean,
): void {
  const task = app.registry.get(name)
  if (task) {
    if (!task.definition.external) task.bindArguments(args, kwargs)
    return
  }
  const near = app.registry.nearest(name)
  // Only this project reads the embedded file; a server's queue may have a worker that knows the name.
  if (foreign || (near === undefined && !(app.connections.embedded && app.registry.names().length > 0))) return
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  throw new CommandEnd(exitCodes.usage, `There is no task '${name}' here.${hint} \`tq tasks\` lists all.`)
}

async function startWorker(app: TqApp, queue: string | undefined, output: Output): Promise<void> {
  const { started, hostname } = await app.ensureWorker(queue)
  if (started) output.note(`No worker was running: started ${hostname} for this call. \`tq worker\` keeps one.`)
}

/** `tq result ID`. Exit 3 for a failed task, 4 when it is not ready. */
export async function runResult(id: string, flags: ResultFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const result = app.result(id)
    if (flags.traceback) {
      output.data(printable((await result.traceback()) ?? ''))
      return
    }
    if (flags.wait) {
      if (!(await result.ready())) await startWorker(app, undefined, output)
      const interruption = onInterrupt()
      try {
        return await printResult(app, result, flags, output, interruption.signal)
      } finally {
        interruption.end()
      }
    }
    const meta = await result.meta()
    if (flags.json) output.data(toJson(meta ?? { id, state: 'PENDING' }))
    if (!meta)
      throw new CommandEnd(exitCodes.timedOut, `Nothing is stored for ${id}: it waits, runs untracked, or is unknown.`)
    const error = errorOf(meta)
    if (error) throw new CommandEnd(exitCodes.taskFailed, printable(error.message))
    if (!flags.json) output.data(printable(shown(meta.result)))
  } finally {
    await app.close()
  }
}

/** Ctrl-C from now on, once: the next one ends the process. */
function onInterrupt(): { readonly signal: AbortSignal; end(): void } {
  const pressed = new AbortController()
  const press = (): void => pressed.abort()
  process.once('SIGINT', press)
  return { signal: pressed.signal, end: () => process.removeListener('SIGINT', press) }
}

/** A worker may run the task before its sender is told that it is sent: Ctrl-C waits for that, but not for ever. */
async function sent<T>(app: TqApp, send: () => Promise<T>, interrupted: AbortSignal): Promise<T> {
  const gaveUp = deferred<never>()
  let patience: Timer | undefined
  const onPressed = (): void => {
    const text = 'Interrupted while the task was being sent: it may be in its queue, or not.'
    patience = app.clock.timer(sendingMs, () => gaveUp.reject(new CommandEnd(exitCodes.interrupted, text)), {
      ref: true,
    })
  }
  interrupted.addEventListener('abort', onPressed, { once: true })
  try {
    return await Promise.race([send(), gaveUp.promise])
  } finally {
    patience?.cancel()
    interrupted.removeEventListener('abort', onPressed)
  }
}

async function printResult(
  app: TqApp,
  result: AsyncResult<unknown>,
  flags: { readonly timeout?: number; readonly json?: boolean },
  output: Output,
  interrupted: AbortSignal,
): Promise<void> {
  const stop = new AbortController()
  const onPressed = (): void =>
    stop.abort(new CommandEnd(exitCodes.interrupted, `Not waiting any longer; task ${result.id} goes on.`))
  if (interrupted.aborted) onPressed()
  interrupted.addEventListener('abort', onPressed, { once: true })
  const watch = app.eager ? undefined : app.clock.timer(noticeMs, () => void giveUpWithoutWorker(app, stop))
  try {
    const value = await result.get({ timeout: flags.timeout, signal: stop.signal })
    output.data(flags.json ? toJson(await result.meta()) : printable(shown(value)))
  } catch (error) {
    if (error instanceof CommandEnd) throw error
    if (error instanceof TimeoutError) throw new CommandEnd(exitCodes.timedOut, error.message)
    if (isTqError(error)) {
      if (flags.json) output.data(toJson(await result.meta()))
      throw new CommandEnd(exitCodes.taskFailed, printable(error.message))
    }
    throw error
  } finally {
    watch?.cancel()
    interrupted.removeEventListener('abort', onPressed)
  }
}

/** Nothing is started on a server's broker: after 3 s the cause is named. */
async function giveUpWithoutWorker(app: TqApp, stop: AbortController): Promise<void> {
  const replies = await app.control.ping().catch(() => ({}))
  if (Object.keys(replies).length > 0) return
  const text = `No worker answers on ${app.brokerName()}, so nobody runs the task. Start one: tq worker. It stays in its queue until then.`
  stop.abort(new CommandEnd(exitCodes.timedOut, text))
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : toJson(value)
}

async function readArgs(words: readonly string[], json: string | undefined): Promise<readonly unknown[]> {
  if (json === undefined) return words.map(readWord)
  if (words.length > 0)
    throw new CommandEnd(exitCodes.usage, 'Give arguments either as words or with --args, not both.')
  const parsed = readJson(json === '-' ? await wholeText(process.stdin) : json, '--args')
  if (!Array.isArray(parsed)) throw new CommandEnd(exitCodes.usage, 'Expected --args to be a JSON list, e.g. [2, 2].')
  const list: readonly unknown[] = parsed
  return list
}

function readWord(word: string): unknown {
  try {
    return JSON.parse(word)
  } catch {
    return word
  }
}

function readObject(json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {}
  const parsed = readJson(json, '--kwargs')
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new CommandEnd(exitCodes.usage, 'Expected --kwargs to be a JSON object, e.g. {"x": 2}.')
  }
  return { ...parsed }
}

function readJson(text: string, flag: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CommandEnd(
      exitCodes.usage,
      `${flag} is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** For commands that end by a signal, or when nobody reads their output any longer. */
export function untilInterrupted(): Promise<void> {
  const ended = deferred<void>()
  process.stdout.once('error', () => ended.resolve())
  process.once('SIGINT', () => ended.resolve())
  process.once('SIGTERM', () => ended.resolve())
  return ended.promise
}
