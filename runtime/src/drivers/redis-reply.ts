/** An answer that is a list; of another kind, an empty one. */
export function listOf(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

/** An answer that is a list of texts. */
export function textsOf(reply: unknown): string[] {
  return listOf(reply).map(String)
}

/** One step of SCAN or HSCAN: the cursor to go on with, `'0'` at the end, and what it found. */
export function scanned(reply: unknown): { readonly cursor: string; readonly found: readonly string[] } {
  const [cursor, found] = listOf(reply)
  return { cursor: typeof cursor === 'string' ? cursor : '0', found: textsOf(found) }
}
