import { NotificationType, RequestType } from 'vscode-jsonrpc'
import type { ScanDiff, ScanResult } from 'tq-runtime/scan'

/**
 * The contract between the editor and its sidecar, JSON-RPC over stdio. The editor's side knows no broker, parses no source
 * and runs no user code; the sidecar knows nothing of the editor. Files are absolute paths unless a type says otherwise,
 * times are epoch ms. Every text that came from a broker or from user code is cleaned of control characters by the sidecar.
 */

/** Both sides must speak the same; `initialize` refuses another. */
export const protocolVersion = 1

// --- editor -> sidecar ------------------------------------------------------------------------------------------------

export interface InitializeParams {
  readonly protocolVersion: number
  readonly folders: readonly Folder[]
  /** False: scan only. No user code runs, no broker is connected, no process of the workspace is started. */
  readonly trusted: boolean
  /** Wins over what the apps say; of a trusted workspace only. */
  readonly brokerUrl?: string | undefined
}

/** A folder of the workspace. */
export interface Folder {
  readonly path: string
  readonly name: string
}

export interface InitializeResult {
  readonly pid: number
  /** `v24.21.0` */
  readonly node: string
}

/** The text of an open buffer, saved or not. */
export interface BufferParams {
  readonly file: string
  readonly text: string
  readonly version: number
}

export interface FilesChangedParams {
  readonly events: readonly { readonly file: string; readonly kind: 'created' | 'changed' | 'deleted' }[]
}

/** Sends one task as its app would. */
export interface RunParams {
  readonly runId: string
  /** Path of the workspace folder. */
  readonly folder: string
  /** Id of the target, `Target.id`; undefined leaves the choice to the folder's app (shared tasks). */
  readonly target?: string | undefined
  readonly task: string
  readonly args: readonly ArgumentValue[]
}

/** One argument; what JSON has no word for is said by kind. */
export type ArgumentValue =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'date'; readonly iso: string }
  | { readonly kind: 'bigint'; readonly digits: string }
  | { readonly kind: 'undefined' }

export interface WorkerParams {
  readonly target: string
  /** Node name. */
  readonly hostname: string
}

/** What a worker answered, as lines to read. */
export interface InspectResult {
  readonly lines: readonly string[]
}

export interface FullTextParams {
  /** Of the task, `RunUpdate.id` or `TaskOutcome.id`. */
  readonly id: string
  readonly target: string
}

export interface FullText {
  /** The whole value as JavaScript would write it, or the traceback; cut at 2,000,000 characters. */
  readonly text: string
  /** Characters of the whole, where it was cut. */
  readonly cutFrom?: number | undefined
}

export const initialize = new RequestType<InitializeParams, InitializeResult, void>('initialize')
export const bufferChanged = new NotificationType<BufferParams>('bufferChanged')
export const bufferClosed = new NotificationType<{ readonly file: string }>('bufferClosed')
export const filesChanged = new NotificationType<FilesChangedParams>('filesChanged')
/** Resolves when the run is under way; what comes of it is told by `runUpdated`. Rejects when it is not trusted. */
export const run = new RequestType<RunParams, void, void>('run')
/** A person is being asked for the arguments of a run: what can be got ready without user code, is. */
export const aboutToRun = new NotificationType<Pick<RunParams, 'folder' | 'target'>>('aboutToRun')
/** Stops waiting, revokes the task and ends user code that has not sent it yet. */
export const cancelRun = new RequestType<{ readonly runId: string }, void, void>('cancelRun')
/** Starts a worker that stays until it is stopped or the sidecar ends; gives its node name. */
export const startWorker = new RequestType<{ readonly target: string }, { readonly hostname: string }, void>(
  'startWorker',
)
/** Warm shutdown; one that was started here and hangs is killed after 5 s. */
export const stopWorker = new RequestType<WorkerParams, void, void>('stopWorker')
export const inspectWorker = new RequestType<WorkerParams, InspectResult, void>('inspectWorker')
export const fullText = new RequestType<FullTextParams, FullText, void>('fullText')
/** Whether the live views are looked at: queues are polled only then. */
export const watchLive = new NotificationType<{ readonly visible: boolean }>('watchLive')
export const refresh = new NotificationType<void>('refresh')

// --- sidecar -> editor ------------------------------------------------------------------------------------------------

/** The first scan of a folder, and again after the scanner had to be started anew. */
export const scanned = new NotificationType<{ readonly folder: string; readonly result: ScanResult }>('scanned')
export const scanChanged = new NotificationType<{ readonly folder: string; readonly diff: ScanDiff }>('scanChanged')
/** A folder cannot be scanned, or no longer. */
export const scanFailed = new NotificationType<{ readonly folder: string; readonly message: string }>('scanFailed')

/** One app of a folder and its broker: where its tasks are sent and who is seen there. */
export interface Target {
  /** `<folder path>#<AppInfo.id>` */
  readonly id: string
  readonly folder: string
  /** Of the app module. */
  readonly file: string
  /** Its name, `new Tq(name)`, where it is constant. */
  readonly main?: string | undefined
  /** `embedded`, or the URL with its password masked; undefined until it is known. */
  readonly broker?: string | undefined
  readonly embedded: boolean
  readonly state: 'connecting' | 'live' | 'lost' | 'failed'
  /** Why it is lost or failed; a sentence. */
  readonly reason?: string | undefined
}

/** All targets; again whenever one changes. */
export const targetsChanged = new NotificationType<readonly Target[]>('targetsChanged')

export interface LiveWorker {
  readonly hostname: string
  readonly pid: number
  /** `tq 0.1.0`, `py-celery 5.2.6` */
  readonly software: string
  readonly state: 'live' | 'stale' | 'offline'
  readonly lastSeenMs: number
  readonly active: number
  readonly processed: number
  /** How many tasks it runs at once; undefined until it has answered. */
  readonly slots?: number | undefined
  readonly queues?: readonly string[] | undefined
  /** Names of the tasks that it has; undefined until it has answered. */
  readonly registered?: readonly string[] | undefined
  /** Started from here, so that it ends with the editor. */
  readonly own?: true | undefined
}

export interface LiveQueue {
  readonly name: string
  readonly ready: number
  readonly held: number
  readonly parked: number
  /** Undefined where the broker cannot tell. */
  readonly consumers?: number | undefined
}

/** Workers and queues of a target, whole lists; at most four times a second, and only when something changed. */
export interface LiveState {
  readonly target: string
  readonly workers: readonly LiveWorker[]
  readonly queues: readonly LiveQueue[]
}
export const liveChanged = new NotificationType<LiveState>('liveChanged')

/** How a task that was started from the editor goes on. */
export interface RunUpdate {
  readonly runId: string
  readonly target: string
  readonly task: string
  /** Once it is sent. */
  readonly id?: string | undefined
  /** `STARTING`: user code loads. `ERROR`: it was not sent, or nobody can say what became of it. The rest are Celery's states. */
  readonly state: 'STARTING' | 'ERROR' | (string & {})
  /** Value, error or progress in one line, at most 200 characters. */
  readonly text: string
  /** Value or traceback, at most 20,000 characters. */
  readonly detail?: string | undefined
  /** Why nothing happens, where that can be told: `no worker consumes queue 'mail'`. */
  readonly notice?: string | undefined
  /** Of the run function, as its worker measured it. */
  readonly runtimeMs?: number | undefined
  readonly retries?: number | undefined
  readonly worker?: string | undefined
  readonly atMs: number
}
export const runUpdated = new NotificationType<RunUpdate>('runUpdated')

/** The newest outcomes that events told of tasks, whoever sent them; per task name the latest, at most four times a second. */
export interface TaskOutcome {
  readonly target: string
  readonly task: string
  readonly id: string
  readonly state: string
  /** The arguments as the event shows them. */
  readonly args: string
  /** Value or error in one line, at most 200 characters. */
  readonly text: string
  readonly runtimeMs?: number | undefined
  readonly retries: number
  readonly worker?: string | undefined
  readonly atMs: number
}
export const outcomes = new NotificationType<{
  readonly outcomes: readonly TaskOutcome[]
  /** Finished tasks that are not among them because newer ones of their name are. */
  readonly more: number
}>('outcomes')

/** For the log channel. Passwords are masked. `output` is what user code printed. */
export const logged = new NotificationType<{
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'output'
  readonly text: string
}>('logged')
