import { SettingError } from '../core/errors.ts'
import { resolveSettings, settingNameOf, settingNames } from '../core/resolve-settings.ts'
import { type SettingName, type Settings, type SettingsInput, settingTable } from '../core/settings.ts'
import { maskSecrets } from '../core/secrets.ts'
import { type TimeZone, timeZone, utc } from '../core/time-zone.ts'
import { Router } from './router.ts'

/** One setting as `tq config` shows it. */
export interface SettingDescription {
  readonly name: SettingName
  /** Celery's name of it; undefined for tq's own. */
  readonly celery: string | undefined
  /** Its value, secrets masked. */
  readonly value: unknown
  readonly default: unknown
  /** `default`, or where it was set: `options of new Tq`, `configure()`, a file, `environment (TQ_BROKER_URL)`. */
  readonly origin: string
  readonly doc: string
}

interface Layer {
  readonly origin: string
  readonly input: SettingsInput
}

const defaultsOrigin = 'addDefaults()'

/** Environment variables that win over a setting. */
const environment: Readonly<Partial<Record<SettingName, string>>> = {
  brokerUrl: 'TQ_BROKER_URL',
  resultBackend: 'TQ_RESULT_BACKEND',
}

/** The settings of one app, in layers: later ones win. */
export class AppSettings {
  #layers: readonly Layer[]
  #settings: Settings
  #router: Router
  #zone: TimeZone

  /** Throws SettingError. */
  constructor(input: SettingsInput) {
    this.#layers = [{ origin: 'options of new Tq', input }]
    this.#settings = resolveSettings(input)
    // A route or queue that makes no sense fails here, not at the first call.
    this.#router = new Router(this.#settings)
    this.#zone = zoneOf(this.#settings)
  }

  get current(): Settings {
    return this.#settings
  }

  get router(): Router {
    return this.#router
  }

  get zone(): TimeZone {
    return this.#zone
  }

  /** Lays settings over the others. Throws SettingError and then changes nothing. */
  add(input: SettingsInput, origin: string): void {
    this.#use([...this.#layers, { origin, input }])
  }

  /** Lays settings under all that were said otherwise, over earlier ones of this kind. Throws SettingError and then changes nothing. */
  addDefaults(input: SettingsInput): void {
    const defaults = this.#layers.filter(({ origin }) => origin === defaultsOrigin)
    const others = this.#layers.slice(defaults.length)
    this.#use([...defaults, { origin: defaultsOrigin, input }, ...others])
  }

  /** Has everything be as it is now once what it returns is called. */
  keep(): () => void {
    const layers = this.#layers
    return () => this.#use(layers)
  }

  #use(layers: readonly Layer[]): void {
    const settings = resolveSettings(...layers.map((layer) => layer.input))
    this.#router = new Router(settings)
    this.#settings = settings
    this.#zone = zoneOf(settings)
    this.#layers = layers
  }

  /** Every setting, its value and where it comes from. */
  describe(env: Readonly<Record<string, string | undefined>>): readonly SettingDescription[] {
    return settingNames().map((name) => {
      const variable = environment[name]
      const said = variable === undefined ? undefined : env[variable]
      const { celery, doc, default: fallback } = settingTable[name]
      return {
        name,
        celery,
        value: maskSecrets(name, said ?? this.#settings[name]),
        default: fallback,
        origin: said === undefined ? this.#origin(name) : `environment (${variable})`,
        doc,
      }
    })
  }

  #origin(name: SettingName): string {
    const layer = this.#layers.findLast(({ input }) =>
      Object.entries(input).some(([given, value]) => value !== undefined && settingNameOf(given) === name),
    )
    return layer?.origin ?? 'default'
  }
}

/** Source: celery/app/base.py, Celery.timezone. */
function zoneOf({ timezone, enableUtc }: Settings): TimeZone {
  return timezone === undefined && enableUtc ? utc : timeZone(timezone)
}

/** Refuses changes to an app that has connected: half of it would know only the old settings. */
export function assertChangeable(main: string, isConnected: boolean): void {
  if (!isConnected) return
  throw new SettingError(`App '${main}' is connected already: call configure() before the first task is sent.`)
}
