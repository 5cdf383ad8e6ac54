import { closest, distance } from 'fastest-levenshtein'
import { SettingError } from './errors.ts'
import { type SettingSpec, wantedKind } from './setting-kind.ts'
import { type SettingName, type Settings, type SettingsInput, settingTable } from './settings.ts'

const aliases: Readonly<Record<string, SettingName>> = { broker: 'brokerUrl', backend: 'resultBackend' }

/** Lays `inputs` over the defaults, later ones winning. Throws SettingError for unknown names and wrong kinds. */
export function resolveSettings(...inputs: readonly SettingsInput[]): Settings {
  const resolved: Record<string, unknown> = {}
  for (const name of settingNames()) resolved[name] = settingTable[name].default
  for (const input of inputs) {
    for (const [given, value] of Object.entries(input)) {
      if (value === undefined) continue
      const name = aliases[given] ?? given
      if (!isSettingName(name)) throw unknownSetting(given)
      checkKind(given, settingTable[name], value)
      resolved[name] = value
    }
  }
  return resolved as Settings // every key of the table was filled from it
}

export function settingNames(): readonly SettingName[] {
  return Object.keys(settingTable) as SettingName[] // the keys of a const object
}

/** The setting that a name stands for, `broker` and `backend` included; undefined for any other name. */
export function settingNameOf(given: string): SettingName | undefined {
  const name = aliases[given] ?? given
  return isSettingName(name) ? name : undefined
}

/** The setting that Celery calls so, in lower case; undefined where there is none. */
export function celerySettingName(celery: string): SettingName | undefined {
  return settingNames().find((name) => (settingTable[name].celery ?? snakeCase(name)) === celery)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`)
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingTable, name)
}

function unknownSetting(name: string): SettingError {
  const known = [...settingNames(), ...Object.keys(aliases)]
  for (const tq of settingNames()) {
    if (settingTable[tq].celery === name) return new SettingError(`Setting '${name}' is called '${tq}' here.`)
  }
  const near = closest(name, known)
  const hint = distance(name, near) <= Math.max(2, name.length / 3) ? ` Did you mean '${near}'?` : ''
  return new SettingError(`There is no setting '${name}'.${hint}`)
}

function checkKind(name: string, setting: SettingSpec<unknown>, value: unknown): void {
  const wanted = wantedKind(setting, value)
  if (wanted) throw new SettingError(`expected ${name} to be ${wanted}, got ${shown(value)}`)
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
