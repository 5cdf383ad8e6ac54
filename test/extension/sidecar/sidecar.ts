import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import type { NotificationType } from 'vscode-jsonrpc'
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node'
import { expect, onTestFinished, vi } from 'vitest'
import * as protocol from '../../../extension/src/sidecar/protocol.ts'
import { spawnNode } from '../../helpers/process.ts'
import { makeProject, shopFolder, type Project } from '../../helpers/project.ts'
import type { RunningProcess } from '../../helpers/running-process.ts'
import { waitFor } from '../../helpers/wait.ts'

export { protocol }

// Several processes start in each of these tests.
vi.setConfig({ testTimeout: 60_000 })

/** A sidecar from its source, and the editor's end of its wire with all that was told. */
export interface TestSidecar {
  readonly process: RunningProcess
  readonly connection: MessageConnection
  /** Everything that was sent to the editor, oldest first. */
  readonly told: readonly { readonly method: string; readonly params: unknown }[]
  /** Parameters of all notifications of that type. */
  of<P>(type: NotificationType<P>): readonly P[]
  /** The first notification of that type, told already or to come, that fits. */
  next<P>(type: NotificationType<P>, fits?: (params: P) => boolean, timeoutMs?: number): Promise<P>
  tell<P>(type: NotificationType<P>, params: P): void
  /** Starts a task and resolves with its last update. */
  run(
    params: Omit<protocol.RunParams, 'runId'> & { readonly runId?: string },
    timeoutMs?: number,
  ): Promise<protocol.RunUpdate>
  updates(runId: string): readonly protocol.RunUpdate[]
  /** Ends it as a closing editor does; resolves when the process is gone. */
  end(): Promise<void>
}

export interface SidecarOptions extends Partial<protocol.InitializeParams> {
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Of the workspace; default one. */
  readonly paths: readonly string[]
}

const entry = fileURLToPath(new URL('../../../extension/src/sidecar/main.ts', import.meta.url))
/** On a machine that is busy with other tests, too. */
const patienceMs = 30_000
const finalStates = new Set(['SUCCESS', 'FAILURE', 'REVOKED', 'ERROR'])

/** Not initialized yet. */
export function spawnSidecar(env: Readonly<Record<string, string>> = {}): TestSidecar {
  const running = spawnNode([entry], { env })
  const { stdin, stdout } = running.child
  if (!stdin || !stdout) throw new Error('The sidecar has no pipes.')
  stdout.setEncoding('utf8')
  const connection = createMessageConnection(new StreamMessageReader(stdout), new StreamMessageWriter(stdin))
  const told: { method: string; params: unknown }[] = []
  const lookers = new Set<() => void>()
  connection.onUnhandledNotification(({ method, params }) => {
    told.push({ method, params: Array.isArray(params) ? params[0] : params })
    for (const look of lookers) look()
  })
  connection.onError(() => undefined)
  connection.listen()
  onTestFinished(() => connection.dispose())
  let runs = 0
  const one: TestSidecar = {
    process: running,
    connection,
    told,
    of: <P>(type: NotificationType<P>) =>
      told.filter(({ method }) => method === type.method).map(({ params }) => params as P),
    next: <P>(type: NotificationType<P>, fits: (params: P) => boolean = () => true, timeoutMs = patienceMs) =>
      waitFor(() => one.of(type).find(fits), { what: `${type.method}; told: ${lastWords(told)}`, timeoutMs }),
    tell: (type, params) => void connection.sendNotification(type.method, params),
    run: async ({ runId = `run-${++runs}`, ...params }, timeoutMs = patienceMs) => {
      await connection.sendRequest(protocol.run, { ...params, runId })
      const isEnd = (update: protocol.RunUpdate): boolean => update.runId === runId && finalStates.has(update.state)
      return one.next(protocol.runUpdated, isEnd, timeoutMs)
    },
    updates: (runId) => one.of(protocol.runUpdated).filter((update) => update.runId === runId),
    end: async () => {
      stdin.end()
      // A sidecar that ended by an error has not ended what it started.
      expect(await running.exit).toEqual({ code: 0, signal: null })
    },
  }
  return one
}

/** Initialized, and the first scan of each folder is there. */
export async function startSidecar({ paths, env, ...params }: SidecarOptions): Promise<TestSidecar> {
  const sidecar = spawnSidecar(env)
  await sidecar.connection.sendRequest(protocol.initialize, {
    protocolVersion: protocol.protocolVersion,
    trusted: true,
    folders: paths.map((path) => ({ path, name: 'project' })),
    ...params,
  })
  for (const path of paths) await sidecar.next(protocol.scanned, ({ folder }) => folder === path)
  return sidecar
}

/** A copy of the example shop, without the file of its developer. */
export function copyShop(): Project {
  const project = makeProject({})
  for (const name of ['src', 'package.json', 'tsconfig.json']) {
    cpSync(join(shopFolder, name), project.path(name), { recursive: true })
  }
  return project
}

/** Of the processes that ran user code so far, as the log names them. */
export function processIds(sidecar: TestSidecar): {
  readonly runs: readonly number[]
  readonly workers: readonly number[]
} {
  const pids = (pattern: RegExp): readonly number[] =>
    sidecar.of(protocol.logged).flatMap(({ text }) => {
      const pid = pattern.exec(text)?.[1]
      return pid === undefined ? [] : [Number(pid)]
    })
  return { runs: pids(/^Run .*: pid (\d+)/), workers: pids(/^Worker .*\(pid (\d+)\) is ready/) }
}

export const json = (value: unknown): protocol.ArgumentValue => ({ kind: 'json', value })

function lastWords(told: readonly unknown[]): string {
  return JSON.stringify(told.slice(-8)).slice(-3000)
}
