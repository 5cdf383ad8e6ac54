/**
 * Revoked ids as workers tell each other at their start (`hello`): each with the time at which it was revoked, a float on the monotonic
 * clock of its machine. `uptimeSeconds` is that clock's; ids count as revoked now. Source: celery/utils/collections.py, LimitedSet.update.
 */
export function revokedToDict(ids: readonly string[], uptimeSeconds: number): Readonly<Record<string, number>> {
  // JSON has no mark for floats, and Python refuses an int.
  const at = Math.floor(uptimeSeconds) + 0.5
  return Object.fromEntries(ids.map((id) => [id, at]))
}

/** The ids of such an answer; none where it has another shape. */
export function dictToRevoked(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
}
