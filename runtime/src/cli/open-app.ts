import { LoadError } from '../core/errors.ts'
import type { LogLevel } from '../core/logger.ts'
import { Tq } from '../index.ts'
import type { TqApp } from '../app/tq.ts'
import { type LoadedApp, loadApp } from '../run/loader.ts'

/** Flags that every command has. */
export interface AppFlags {
  readonly app?: string
  readonly broker?: string
  readonly resultBackend?: string
  readonly include?: readonly string[]
  readonly loglevel?: LogLevel
}

/** The project's app with its tasks. Flags win over the environment, which wins over settings. */
export async function openLoaded(flags: AppFlags): Promise<LoadedApp> {
  applyUrls(flags)
  const loaded = await loadApp({ app: flags.app, include: flags.include })
  loaded.app.logLevel = flags.loglevel ?? 'warn'
  return loaded
}

/** The project's app, or with a broker named and no app to be found one that knows nothing but that broker. */
export async function openApp(flags: AppFlags): Promise<TqApp> {
  try {
    return (await openLoaded(flags)).app
  } catch (error) {
    const bare = flags.app === undefined && (process.env.TQ_BROKER_URL !== undefined || process.env.TQ_DB !== undefined)
    if (!bare || !(error instanceof LoadError)) throw error
    const app = new Tq('tq')
    app.logLevel = flags.loglevel ?? 'warn'
    return app
  }
}

function applyUrls(flags: AppFlags): void {
  if (flags.broker !== undefined) process.env.TQ_BROKER_URL = flags.broker
  if (flags.resultBackend !== undefined) process.env.TQ_RESULT_BACKEND = flags.resultBackend
}
