import { SettingError } from '../core/errors.ts'
import { DecompressedTooLarge } from './compression-limit.ts'
import type { LoadPackage } from './load-optional.ts'
import { xzSize } from './xz-size.ts'

/** What the package @napi-rs/lzma gives under `xz`. */
interface XzLibrary {
  compressSync(bytes: Uint8Array): Uint8Array
  decompressSync(bytes: Uint8Array): Uint8Array
}

/** An xz container. Throws SettingError where the optional peer @napi-rs/lzma is not installed. */
export function xz(bytes: Uint8Array, load: LoadPackage): Uint8Array {
  return library(load).compressSync(bytes)
}

/** Throws DecompressedTooLarge at the limit, before anything is decompressed. */
export function unxz(bytes: Uint8Array, maxBytes: number, load: LoadPackage): Uint8Array {
  const found = library(load)
  // The library knows no limit; the container tells the size of each of its pieces.
  if (xzSize(bytes, maxBytes) > maxBytes) throw new DecompressedTooLarge()
  return found.decompressSync(bytes)
}

function library(load: LoadPackage): XzLibrary {
  const found = load('@napi-rs/lzma/xz')
  if (isXzLibrary(found)) return found
  throw new SettingError(
    "Compression 'lzma' needs the package @napi-rs/lzma, which is not installed: npm install @napi-rs/lzma",
  )
}

function isXzLibrary(found: unknown): found is XzLibrary {
  return typeof found === 'object' && found !== null && 'compressSync' in found && 'decompressSync' in found
}
