import { type ChildProcess, fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, type Timer } from 'tq-runtime'
import type { Editor } from './editor.ts'
import type { ChosenNode, NodeChooser } from './node-choice.ts'
import type { WorkerPlace } from './workers.ts'

/** A process that waits for its order. */
export interface RunProcess {
  readonly child: ChildProcess
  readonly node: ChosenNode
}

interface Spare extends RunProcess {
  /** What it was started for and has loaded. */
  readonly key: string
  readonly ending: Timer
}

const ownExtension = extname(fileURLToPath(import.meta.url))
const entry = fileURLToPath(new URL(`./run-child${ownExtension}`, import.meta.url))
/** Not while the worker runs what has just been sent. */
const prepareAfterMs = 500
const spareLifeMs = 120_000

/**
 * The processes that send tasks, one each. After a run, and while somebody is asked for arguments, the next one is started ahead: it has loaded the project's tq-runtime and none of
 * the user's code, so that what is saved until then counts.
 */
export class RunProcesses {
  readonly #editor: Editor
  readonly #nodes: NodeChooser
  #spare: Spare | undefined
  #preparing: Timer | undefined
  #isClosed = false

  constructor(editor: Editor, nodes: NodeChooser) {
    this.#editor = editor
    this.#nodes = nodes
  }

  async take(place: WorkerPlace): Promise<RunProcess> {
    const node = await this.#nodes.choose(place.project, place.folder)
    const spare = this.#spare
    if (spare?.key !== keyOf(place, node)) return { child: spawn(place, node), node }
    this.#spare = undefined
    spare.ending.cancel()
    return spare
  }

  /** For the next run there; in a moment, unless told otherwise. */
  prepare(place: WorkerPlace, afterMs = prepareAfterMs): void {
    this.#preparing?.cancel()
    this.#preparing = systemClock.timer(afterMs, () => void this.#prepare(place))
  }

  close(): void {
    this.#isClosed = true
    this.#preparing?.cancel()
    this.#end()
  }

  async #prepare(place: WorkerPlace): Promise<void> {
    const node = await this.#nodes.choose(place.project, place.folder)
    const key = keyOf(place, node)
    if (this.#isClosed || this.#spare?.key === key) return
    this.#end()
    const child = spawn(place, node)
    const ending = systemClock.timer(spareLifeMs, () => this.#end())
    const spare = { child, node, key, ending }
    this.#spare = spare
    const forget = (): void => {
      if (this.#spare === spare) this.#end()
    }
    child.once('exit', forget)
    child.once('error', forget)
    this.#editor.log('debug', `Ready for the next run: pid ${child.pid}.`)
  }

  #end(): void {
    this.#spare?.ending.cancel()
    this.#spare?.child.kill('SIGKILL')
    this.#spare = undefined
  }
}

function spawn(place: WorkerPlace, node: ChosenNode): ChildProcess {
  return fork(entry, [place.file], {
    cwd: place.project,
    execPath: node.execPath,
    execArgv: [...conditionFlags(process.execArgv)],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'json',
  })
}

/** Another tq-runtime, Node or project needs another process. */
function keyOf({ file, project }: WorkerPlace, { execPath, version }: ChosenNode): string {
  let runtime = ''
  try {
    const path = createRequire(file).resolve('tq-runtime/loader')
    runtime = `${path} ${statSync(path).mtimeMs}`
  } catch {
    // The process says what is missing.
  }
  return JSON.stringify([file, project, execPath, version, runtime])
}

/** The export conditions this process was started with, in either spelling; no other flag concerns user code. */
function conditionFlags(execArgv: readonly string[]): readonly string[] {
  return execArgv.flatMap((argument, i) => {
    if (/^(?:--conditions|-C)=/u.test(argument)) return [argument]
    const next = execArgv[i + 1]
    return (argument === '--conditions' || argument === '-C') && next !== undefined ? [`--conditions=${next}`] : []
  })
}
