/** Labels of a call by name: any JSON. They travel in the message's headers and are seen by the task, monitors and extended results. */
export type Stamps = Readonly<Record<string, unknown>>

/**
 * Two sets of stamps as one. A name that both have keeps the value of `first`; with `append` it gets a list of both. Lists are
 * joined and objects merged either way. Source: celery/canvas.py, _merge_dictionaries.
 */
export function mergeStamps(first: Stamps, second: Stamps, append = false): Stamps {
  const merged: Record<string, unknown> = { ...second, ...first }
  for (const [name, value] of Object.entries(first)) {
    if (Object.hasOwn(second, name)) merged[name] = mergeValues(value, second[name], append)
  }
  return merged
}

function mergeValues(first: unknown, second: unknown, append: boolean): unknown {
  if (isPlainObject(first) && isPlainObject(second)) return mergeStamps(first, second, true)
  if (Array.isArray(first) && Array.isArray(second)) return [...listOf(first), ...listOf(second)]
  if (!append) return first
  return [...(first === null ? [] : listOf(first)), ...listOf(second)]
}

/**
 * The stamp by which a call is revoked: some value of one of its stamps is among those that are revoked under this name. Undefined
 * where none is. Source: celery/worker/request.py, Request.revoked.
 */
export function revokedStamp(stamps: Stamps, revoked: ReadonlyMap<string, readonly unknown[]>): string | undefined {
  if (revoked.size === 0) return undefined
  return Object.keys(stamps).find((name) => {
    const values = revoked.get(name)
    return values !== undefined && listOf(stamps[name]).some((one) => values.some((value) => isSame(one, value)))
  })
}

/** A value as the list that Python's maybe_list makes of it. */
export function listOf(value: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === 'object' && JSON.stringify(one) === JSON.stringify(other))
}

function isPlainObject(value: unknown): value is Stamps {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
