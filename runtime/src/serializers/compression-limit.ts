/** Thrown by a decompression that has reached its limit. */
export class DecompressedTooLarge extends Error {
  readonly code = 'ERR_BUFFER_TOO_LARGE' // as Node's own zlib says it

  constructor() {
    super('The limit of decompressed bytes is reached.')
  }
}

export function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}
