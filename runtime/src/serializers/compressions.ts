import zlib from 'node:zlib'
import { SettingError } from '../core/errors.ts'
import { bunzip } from './bzip2.ts'
import type { Compression } from './compression.ts'
import { type LoadPackage, loadOptional } from './load-optional.ts'
import { unxz, xz } from './xz.ts'

/**
 * kombu's methods under its names. gzip, zlib, brotli and zstd are Node's own; xz and bzip2 need a package of their own,
 * which the error names where it is missing. Source: kombu/compression.py (register).
 */
export function builtinCompressions(load: LoadPackage = loadOptional): readonly Compression[] {
  return [
    {
      name: 'gzip',
      aliases: ['zlib'],
      contentType: 'application/x-gzip',
      // A zlib stream, whatever the name says: that is what kombu writes and reads. Framed as gzip it is read as well.
      compress: (bytes) => zlib.deflateSync(bytes),
      decompress: (bytes, maxBytes) => zlib.unzipSync(bytes, outputLimit(maxBytes)),
    },
    {
      name: 'brotli',
      contentType: 'application/x-brotli',
      compress: (bytes) => zlib.brotliCompressSync(bytes),
      decompress: (bytes, maxBytes) => zlib.brotliDecompressSync(bytes, outputLimit(maxBytes)),
    },
    {
      name: 'zstd',
      aliases: ['zstandard'],
      contentType: 'application/zstd',
      // Python's decompressor wants to know the size from the frame's header.
      compress: (bytes) => zlib.zstdCompressSync(bytes, { pledgedSrcSize: bytes.byteLength }),
      decompress: (bytes, maxBytes) => zlib.zstdDecompressSync(bytes, outputLimit(maxBytes)),
    },
    {
      name: 'lzma',
      aliases: ['xz'],
      contentType: 'application/x-lzma',
      compress: (bytes) => xz(bytes, load),
      decompress: (bytes, maxBytes) => unxz(bytes, maxBytes, load),
    },
    {
      name: 'bzip2',
      aliases: ['bzip'],
      contentType: 'application/x-bz2',
      compress: () => {
        throw new SettingError(
          "Compression 'bzip2' can be read, not written: no kept package writes it. Send with zstd or gzip, or register one: app.compressions.register({ name: 'bzip2', … }).",
        )
      },
      decompress: (bytes, maxBytes) => bunzip(bytes, maxBytes, load),
    },
  ]
}

function outputLimit(maxBytes: number): { readonly maxOutputLength?: number } {
  return Number.isFinite(maxBytes) ? { maxOutputLength: maxBytes } : {}
}
