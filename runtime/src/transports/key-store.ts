/**
 * A few small keys that every process of an app sees at once: locks that name their holder, and the pace of a limit. Each call is
 * one atomic step at the store. Rejects with ConnectionError (worth trying again) or ChannelError.
 */
export interface KeyStore {
  /**
   * Gives the key to `holder` for `ttlMs`, unless somebody else has it; the holder itself gets the time anew. Resolves with who has
   * it now.
   */
  claim(key: string, holder: string, ttlMs: number): Promise<string>
  /** False where somebody else has the key, or nobody. */
  release(key: string, holder: string): Promise<boolean>
  /**
   * Takes the next turn of a key whose turns are `intervalMs` apart (fractions count). 0: taken. Otherwise nothing was taken, and so many
   * ms are left until there may be one. One turn is kept, not more: after a pause two do not come at once.
   */
  takeTurn(key: string, intervalMs: number): Promise<number>
}
