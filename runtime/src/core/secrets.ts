import { maskUrl } from './url.ts'

/**
 * A setting's value as reports show it: passwords in URLs masked, and whatever stands under a name that speaks of a secret.
 * Source of the names: celery/app/utils.py, HIDDEN_SETTINGS.
 */
export function maskSecrets(name: string, value: unknown): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return isSecretName(name) ? hidden : maskUrl(value)
  if (isSecretName(name) && typeof value !== 'object') return hidden
  if (typeof value === 'function') return `[function ${value.name || 'without a name'}]`
  if (value instanceof RegExp) return String(value)
  if (Array.isArray(value)) return value.map((one: unknown) => maskSecrets(name, one))
  if (typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, maskSecrets(key, one)]))
}

const hidden = '********'

function isSecretName(name: string): boolean {
  return /api|token|key|secret|pass|signature|database|credential/i.test(name) && !/routingKey|keyprefix/i.test(name)
}
