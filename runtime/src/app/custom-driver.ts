import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { SettingError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Settings } from '../core/settings.ts'
import { maskUrl } from '../core/url.ts'
import type { ResultCodec } from '../serializers/result-codec.ts'
import type { Transport } from '../transports/transport.ts'

/** What a driver is given beside the URL. */
export interface DriverDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: Settings
  /** The form of stored results. */
  readonly resultCodec: ResultCodec | undefined
}

/**
 * What URLs of one scheme lead to: a broker, a result backend, or both. Given to `new Tq` as `{ drivers: { mine: driver } }` for
 * `mine://…`; a scheme that tq knows is replaced. What it gives is connected and closed by the app.
 * Source of the idea: Celery's `override_backends` and kombu's TRANSPORT_ALIASES.
 */
export interface CustomDriver {
  transport?(url: string, deps: DriverDeps): Transport | Promise<Transport>
  backend?(url: string, deps: DriverDeps): ResultBackend | Promise<ResultBackend>
}

/** Drivers by the scheme of their URLs, in lower case. */
export type CustomDrivers = Readonly<Record<string, CustomDriver>>

/** The two ways into a driver of the user's own. Each rejects with SettingError where the driver has no such thing. */
export function openCustom(
  driver: CustomDriver,
  url: string,
  deps: DriverDeps,
): { transport(): Promise<Transport>; backend(): Promise<ResultBackend>; close(): Promise<void> } {
  const lacks = (what: string, can: string): SettingError =>
    new SettingError(`The driver of ${maskUrl(url)} is no ${what}, only a ${can}. Name another URL for the ${what}.`)
  return {
    transport: async () => {
      if (!driver.transport) throw lacks('broker', 'result backend')
      return driver.transport(url, deps)
    },
    backend: async () => {
      if (!driver.backend) throw lacks('result backend', 'broker')
      return driver.backend(url, deps)
    },
    close: async () => {},
  }
}
