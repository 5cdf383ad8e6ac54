import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, resolve } from 'node:path'
import { LoadError, SettingError } from '../core/errors.ts'
import { celerySettingName } from '../core/resolve-settings.ts'
import { type SettingName, type SettingsInput, settingTable } from '../core/settings.ts'

/** Which keys of a configuration are meant. */
export interface ConfigOptions {
  /**
   * Takes only the keys that begin with it and an underscore, without it: `CELERY` takes `CELERY_TASK_ACKS_LATE`. Every other
   * key is left alone, as in a file that configures other things, too.
   */
  readonly namespace?: string | undefined
}

/**
 * Settings in an object whose keys may be Celery's, in lower or upper case (`task_acks_late`, `TASK_ACKS_LATE`), as well as ours.
 * What they are worth is checked where they are laid over the others. Throws SettingError for a key that is no setting.
 */
export function settingsFromObject(
  source: Readonly<Record<string, unknown>>,
  options: ConfigOptions = {},
): SettingsInput {
  const { namespace } = options
  const start = namespace === undefined ? '' : `${namespace}_`
  const found: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(source)) {
    if (!key.startsWith(start)) continue
    const bare = key.slice(start.length)
    found[celerySettingName(bare.toLowerCase()) ?? bare] = value
  }
  return found
}

/**
 * Settings in a file: JSON, or a module's default export, or else its other exports. A module must not await at its top level.
 * `appFile` is what a relative path starts from. Throws LoadError.
 */
export function settingsFromFile(
  file: string,
  appFile: string | undefined,
  options: ConfigOptions = {},
): SettingsInput {
  const path = resolve(appFile === undefined ? process.cwd() : dirname(appFile), file)
  const read = extname(path) === '.json' ? readJson(path) : readModule(path)
  if (typeof read !== 'object' || read === null) {
    throw new LoadError(`expected ${path} to hold an object of settings, got ${String(read)}`)
  }
  return settingsFromObject(Object.fromEntries(Object.entries(read)), options)
}

/**
 * Settings in environment variables: namespace, underscore, Celery's name in upper case, `TQ_TASK_ACKS_LATE=true`. Lists and objects
 * are JSON, a list of texts may be written with commas. Variables that are no setting are left alone. Throws SettingError.
 */
export function settingsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  namespace: string,
): readonly { readonly variable: string; readonly input: SettingsInput }[] {
  const start = `${namespace}_`
  return Object.entries(env).flatMap(([variable, text]) => {
    if (text === undefined || !variable.startsWith(start)) return []
    const name = celerySettingName(variable.slice(start.length).toLowerCase())
    return name === undefined ? [] : [{ variable, input: { [name]: valueOf(name, variable, text) } }]
  })
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw unreadable(path, error)
  }
}

function readModule(path: string): unknown {
  try {
    const module: unknown = createRequire(path)(path)
    if (typeof module !== 'object' || module === null) return module
    if ('default' in module) return module.default
    return Object.fromEntries(Object.entries(module).filter(([name]) => name !== 'module.exports'))
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): LoadError {
  return new LoadError(
    `Could not read settings from ${path}: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
    },
  )
}

function valueOf(name: SettingName, variable: string, text: string): unknown {
  const { kind } = settingTable[name]
  switch (kind) {
    case 'text':
    case 'zone':
      return text
    case 'texts':
      return text.trimStart().startsWith('[') ? json(variable, text) : text.split(',').map((one) => one.trim())
    case 'boolean':
    case 'auto-boolean':
      return /^(?:true|yes|on|1)$/i.test(text) ? true : /^(?:false|no|off|0)$/i.test(text) ? false : text
    case 'number':
    case 'auto-number':
    case 'priority':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
    default:
      return json(variable, text)
  }
}

function json(variable: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SettingError(`expected ${variable} to be JSON, got '${text.slice(0, 60)}'`, { cause: error })
  }
}
