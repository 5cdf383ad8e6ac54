import { fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SettingsInput } from '../core/settings.ts'
import { type AppPlace, findApp } from './find-app.ts'

export interface ProjectOptions {
  readonly cwd: string
  /** As `-A` of the worker. */
  readonly app?: string | undefined
  /** Wins over the environment and the app's own settings. */
  readonly broker?: string | undefined
  /** Gives up, and ends the child that runs the user's code. */
  readonly signal?: AbortSignal | undefined
}

/** Where a project's broker is, learnt without any code of the user having run in this process. */
export interface Project {
  readonly settings: SettingsInput
  /** Undefined where none was found; then there are no tasks to start a worker for. */
  readonly place: AppPlace | undefined
  readonly cwd: string
  /** Why there is no place. */
  readonly problem: string | undefined
}

/**
 * Where the broker is said in the user's code, a short-lived child loads that code and tells us; for the embedded default
 * nothing is loaded. Rejects with LoadError when `app` was given and is not there, with Error when the child fails.
 */
export async function findProject(options: ProjectOptions): Promise<Project> {
  const cwd = resolve(options.cwd)
  const { env } = process
  let problem: string | undefined
  const place = await findApp(options.app, cwd, env).catch((error: unknown) => {
    if (options.app !== undefined) throw error
    problem = error instanceof Error ? error.message : String(error)
    return undefined
  })
  const isKnown = (options.broker ?? env['TQ_BROKER_URL'] ?? env['TQ_DB']) !== undefined
  const asked = place === undefined || isKnown ? {} : await settingsOf(place, cwd, options.signal)
  const settings = options.broker === undefined ? asked : { ...asked, brokerUrl: options.broker }
  return { settings, place, cwd, problem }
}

/** What the child tells: settings that decide where messages and results are and how they are written. */
export const wantedSettings = [
  'brokerUrl',
  'resultBackend',
  'brokerTransportOptions',
  'resultBackendTransportOptions',
  'brokerUseSsl',
  'redisBackendUseSsl',
  'taskDefaultQueue',
  'taskSerializer',
  'acceptContent',
  'jsonStyle',
] as const

const patienceMs = 15_000

async function settingsOf(place: AppPlace, cwd: string, signal: AbortSignal | undefined): Promise<SettingsInput> {
  const text = await readFile(place.file, 'utf8')
  return saysNothing(text) ? {} : askChild(place, cwd, signal)
}

/** The one app of the file is made with literals among which no such setting is: nothing to be learnt from running it. */
export function saysNothing(text: string): boolean {
  const made = /\bnew\s+Tq\s*\(\s*(?:'[^'\n]*'|"[^"\n]*")\s*(?:\)|,\s*\{([^{}()]*)\}\s*,?\s*\))/u.exec(text)
  if (made === null || /\bconfig(?:ure|From\w+)\s*\(/u.test(text)) return false
  const options = made[1] ?? ''
  if (options.includes('...') || wantedSettings.some((name) => options.includes(name))) return false
  return text.split(/\bnew\s+Tq\b/u).length === 2
}

function askChild(place: AppPlace, cwd: string, signal: AbortSignal | undefined): Promise<SettingsInput> {
  const entry = fileURLToPath(new URL(`settings-child${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
  const app = place.exportName === undefined ? place.file : `${place.file}:${place.exportName}`
  // The password of a URL goes through the pipe between us, never through arguments or output.
  const child = fork(entry, [app], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    timeout: patienceMs,
    // Code that hangs at import hears no other.
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    said = `${said}${part}`.slice(-2000)
  })
  return new Promise((done, fail) => {
    child.once('message', (settings: SettingsInput) => {
      done(settings)
      child.kill()
    })
    child.once('error', fail)
    child.once('close', () => fail(new Error(`Could not learn the broker from ${place.file}. ${said.trim()}`)))
  })
}
