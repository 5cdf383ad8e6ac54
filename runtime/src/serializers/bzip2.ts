import { SettingError } from '../core/errors.ts'
import { DecompressedTooLarge } from './compression-limit.ts'
import type { LoadPackage } from './load-optional.ts'

/** What the package seek-bzip gives. */
interface SeekBzip {
  decode(input: Uint8Array, output: { writeByte(byte: number): void }, multistream: boolean): void
}

/** Throws SettingError where the optional peer seek-bzip is not installed, DecompressedTooLarge at the limit. */
export function bunzip(bytes: Uint8Array, maxBytes: number, load: LoadPackage): Uint8Array {
  const library = load('seek-bzip')
  if (!isSeekBzip(library)) {
    throw new SettingError(
      "Compression 'bzip2' needs the package seek-bzip, which is not installed: npm install seek-bzip",
    )
  }
  const output = new Output(maxBytes)
  library.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), output, true)
  return output.bytes()
}

class Output {
  #buffer = new Uint8Array(4096)
  #length = 0
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  writeByte(byte: number): void {
    if (this.#length === this.#maxBytes) throw new DecompressedTooLarge()
    if (this.#length === this.#buffer.length) {
      const grown = new Uint8Array(this.#buffer.length * 2)
      grown.set(this.#buffer)
      this.#buffer = grown
    }
    this.#buffer[this.#length++] = byte
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }
}

function isSeekBzip(library: unknown): library is SeekBzip {
  return (typeof library === 'function' || typeof library === 'object') && library !== null && 'decode' in library
}
