import { randomUUID } from 'node:crypto'
import { commands, type Memento, window, workspace } from 'vscode'
import { askArguments } from './argument-prompts.ts'
import { type Answers, readAnswers } from './argument-steps.ts'
import { argumentText } from './argument.ts'
import { type DefinedTask, keyOf, targetOf } from './catalogue.ts'
import type { Messages } from './messages.ts'
import type { Results, StartedRun } from './results.ts'
import { SidecarGoneError, type SidecarClient } from './sidecar-client.ts'
import { aboutToRun, cancelRun, run } from './sidecar/protocol.ts'

const stateKey = 'tq.arguments'
// What is remembered of one task; a pasted megabyte is not.
const mostRemembered = 10_000

export interface TaskRunnerOptions {
  readonly client: SidecarClient
  readonly results: Results
  readonly messages: Messages
  /** Where the arguments of the last runs are kept. */
  readonly memory: Memento
}

/** Asks for arguments and has tasks sent; what comes of them is in the results. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions

  constructor(options: TaskRunnerOptions) {
    this.#options = options
  }

  /** With `texts` as if they had been typed, nobody is asked unless one of them is wrong. */
  async run(defined: DefinedTask, texts?: readonly string[]): Promise<void> {
    if (!(await this.mayRun())) return
    const { messages } = this.#options
    const given = texts === undefined ? undefined : readAnswers(defined.task, texts, messages)
    const last = texts ?? this.#remembered()[keyOf(defined)] ?? []
    if (!given && defined.task.parameters.length > 0) this.#getReady(defined)
    const answers = given ?? (await askArguments(defined.task, last, messages))
    if (answers) await this.#send(defined, answers)
  }

  /** With the arguments of the last time. */
  async runAgain(defined: DefinedTask): Promise<void> {
    await this.run(defined, this.#remembered()[keyOf(defined)])
  }

  async cancel({ runId }: StartedRun): Promise<void> {
    await this.#options.client.request(cancelRun, { runId })
  }

  /** False, and said, where the workspace is not trusted. */
  async mayRun(): Promise<boolean> {
    if (workspace.isTrusted) return true
    const { untrustedRefusal, manageTrust } = this.#options.messages
    const chosen = await window.showWarningMessage(untrustedRefusal, manageTrust)
    if (chosen === manageTrust) await commands.executeCommand('workbench.trust.manage')
    return false
  }

  #getReady(defined: DefinedTask): void {
    const target = targetOf(defined)
    this.#options.client.notify(aboutToRun, { folder: defined.folder, ...(target !== undefined && { target }) })
  }

  async #send(defined: DefinedTask, { texts, args }: Answers): Promise<void> {
    const { client, results, messages, memory } = this.#options
    const { folder, task } = defined
    if (task.name === undefined) return
    const runId = randomUUID()
    const target = targetOf(defined)
    results.started({
      runId,
      folder,
      definition: task.id,
      target,
      task: task.name,
      args: `(${args.map(argumentText).join(', ')})`,
      atMs: Date.now(),
    })
    if (texts.length > 0 && texts.join('').length < mostRemembered) {
      void memory.update(stateKey, { ...this.#remembered(), [keyOf(defined)]: texts })
    }
    try {
      await client.request(run, { runId, folder, ...(target !== undefined && { target }), task: task.name, args })
    } catch (error) {
      const reason = error instanceof SidecarGoneError ? messages.notRunning : errorText(error)
      results.failed(runId, reason, Date.now())
    }
  }

  #remembered(): Readonly<Record<string, readonly string[]>> {
    return this.#options.memory.get<Readonly<Record<string, readonly string[]>>>(stateKey, {})
  }
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
