import { fork } from 'node:child_process'
import { Socket } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LoadError } from '../core/errors.ts'

/** A worker that was started for its caller: ends 60 s after its last task, or with the caller. */
export interface EphemeralWorker {
  readonly hostname: string
  readonly pid: number
  /** Warm shutdown; resolves when the process is gone. */
  stop(): Promise<void>
}

/** What the child says over IPC once it consumes. */
export interface ReadyNote {
  readonly ready: string
}

export interface StartWorkerOptions {
  readonly cwd: string
  readonly queues?: readonly string[] | undefined
  /** It stays until it is stopped or its parent ends, however long it has nothing to do. */
  readonly stays?: boolean | undefined
  /** The file of the `tq` bin that runs it, for a worker of the project's own copy. Default this copy's. */
  readonly bin?: string | undefined
  /** The Node that runs it. Default the one that runs the caller. */
  readonly execPath?: string | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Ends it at once when it aborts, also while it starts: code that hangs at import listens to nothing else. */
  readonly signal?: AbortSignal | undefined
  /** What its tasks print. Default it is dropped. */
  readonly onOutput?: ((text: string) => void) | undefined
  /** Where its warnings go once it consumes; default this process's stderr. */
  readonly onWarning?: ((text: string) => void) | undefined
  /** Called once when a worker that was ready has ended, whatever the reason. */
  readonly onEnd?: (() => void) | undefined
}

const ownExtension = extname(fileURLToPath(import.meta.url))

/**
 * Starts `tq worker --ephemeral` for an app as a child process and waits until it consumes `queues`, else the app's own. Its
 * output is kept for the error that is thrown when it ends before that; afterwards its warnings go to this process's stderr.
 */
export function startEphemeralWorker(appFile: string, options: StartWorkerOptions): Promise<EphemeralWorker> {
  const entry = options.bin ?? fileURLToPath(new URL(`../cli/entry${ownExtension}`, import.meta.url))
  const queues = options.queues ? ['--queues', options.queues.join(',')] : []
  const idle = options.stays === true ? ['--idle', '0'] : []
  const child = fork(entry, ['worker', '-A', appFile, '--ephemeral', '--loglevel', 'warn', ...idle, ...queues], {
    cwd: options.cwd,
    stdio: ['ignore', options.onOutput ? 'pipe' : 'ignore', 'pipe', 'ipc'],
    execArgv: [...process.execArgv.filter((flag) => !/^--(inspect|input-type|eval|print)/.test(flag))],
    ...(options.execPath !== undefined && { execPath: options.execPath }),
    ...(options.env && { env: options.env }),
    ...(options.signal && { signal: options.signal, killSignal: 'SIGKILL' }),
  })
  if (options.onOutput) child.stdout?.setEncoding('utf8').on('data', options.onOutput)
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-4000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      reject(new LoadError(`The worker for ${appFile} ended with code ${code} before it was ready.\n${said.trim()}`))
    })
    child.on('message', (note: Partial<ReadyNote>) => {
      if (typeof note.ready !== 'string') return
      const { onWarning = (text: string) => process.stderr.write(text), onEnd } = options
      child.stderr?.on('data', (text: string) => onWarning(text))
      if (onEnd) child.once('exit', onEnd)
      child.unref()
      child.channel?.unref()
      for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref()
      resolve({
        hostname: note.ready,
        pid: child.pid ?? 0,
        stop: async () => {
          if (child.exitCode !== null || child.signalCode !== null) return
          child.ref() // until now it kept nobody alive; its end is waited for
          child.kill('SIGTERM')
          await gone
        },
      })
    })
  })
}
