import { debianPython } from './install.ts'
import { type RunningProcess, spawnProcess } from './process.ts'
import { pythonEnv, pythonFolder } from './python-environment.ts'

export type {
  AskOptions,
  PythonClient,
  PythonClientOptions,
  PythonEvent,
  PythonResult,
} from './python-client.ts'
export { pythonClient } from './python-client.ts'

export interface PythonWorkerOptions {
  readonly brokerUrl: string
  readonly backendUrl: string
  /** The one queue it consumes; `py` when left out. */
  readonly queue?: string | undefined
  /** Celery's node name; `py@interop` when left out. */
  readonly nodename?: string | undefined
  /** Child processes that run tasks; 1 when left out. */
  readonly concurrency?: number | undefined
  /** Further environment of test/interop/python/pyworker.py, e.g. `TQ_TRACK_STARTED: '1'`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Further arguments of `celery worker`, e.g. `-E` to send events. */
  readonly args?: readonly string[] | undefined
}

export interface PythonWorker extends RunningProcess {
  readonly nodename: string
  readonly queue: string
}

/**
 * A Celery worker on the tasks of test/interop/python/pyworker.py; resolves when it consumes its queue. Over redis it hears
 * remote control a moment later: `client.workerAnswers(nodename)` waits for that. Ends with its children as every process
 * of `spawnProcess` does.
 */
export async function startPythonWorker(options: PythonWorkerOptions): Promise<PythonWorker> {
  const { brokerUrl, backendUrl, queue = 'py', nodename = 'py@interop', concurrency = 1, env = {}, args = [] } = options
  const celery = ['-m', 'celery', '-A', 'pyworker', 'worker', '-n', nodename, '-c', String(concurrency), '-l', 'INFO']
  const program = spawnProcess(debianPython, [...celery, '--without-mingle', ...args], {
    cwd: pythonFolder,
    env: pythonEnv({
      TQ_BROKER_URL: brokerUrl,
      TQ_RESULT_BACKEND: backendUrl,
      TQ_MARK_URL: backendUrl,
      TQ_QUEUE: queue,
      ...env,
    }),
    cleanEnv: true,
    mayLeaveChildren: true, // a worker that is killed leaves its pool behind: Celery's own affair
  })
  await program.waitForLine(`${nodename} ready.`, 30_000)
  const { stop } = program
  // Its warm shutdown takes two seconds, and nobody looks at it.
  return Object.assign(program, { nodename, queue, stop: (graceMs = 0) => stop(graceMs) })
}
