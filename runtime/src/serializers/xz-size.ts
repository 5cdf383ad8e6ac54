/**
 * How many bytes an xz container holds, read from the headers of its LZMA2 chunks, which the decoder itself goes by: not from the
 * index at its end, which may say anything. Stops counting beyond `maxBytes`. Throws Error for what is no such container.
 * Source: "The .xz File Format" 1.2; the LZMA2 chunk headers as in XZ for Java, LZMA2InputStream.
 */
export function xzSize(bytes: Uint8Array, maxBytes: number): number {
  const reader = new Reader(bytes)
  let size = 0
  while (!reader.isAtEnd) {
    const checkBytes = streamHeader(reader)
    // A block begins with its header's size; 0 stands for the index.
    for (let head = reader.byte(); head !== 0; head = reader.byte()) {
      reader.skip(head * 4 + 3) // the rest of the header, with its CRC32
      const start = reader.at
      size += chunks(reader, maxBytes - size)
      if (size > maxBytes) return size
      reader.skip((4 - ((reader.at - start) % 4)) % 4)
      reader.skip(checkBytes)
    }
    index(reader)
    reader.skip(12)
    while (!reader.isAtEnd && reader.peek() === 0) reader.skip(4)
  }
  return size
}

const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]

/** Answers how many bytes the check after each block takes. */
function streamHeader(reader: Reader): number {
  for (const wanted of magic) if (reader.byte() !== wanted) throw new Error('it does not begin as an xz container does')
  reader.byte()
  const check = reader.byte() & 0x0f
  reader.skip(4)
  return check === 0 ? 0 : 4 << Math.floor((check - 1) / 3)
}

function chunks(reader: Reader, maxBytes: number): number {
  let size = 0
  for (let control = reader.byte(); control !== 0; control = reader.byte()) {
    if (control > 2 && control < 0x80) throw new Error('it has a chunk of an unknown kind')
    const isCompressed = control >= 0x80
    const plain = (isCompressed ? (control & 0x1f) << 16 : 0) + reader.short() + 1
    const packed = isCompressed ? reader.short() + 1 : plain
    if (control >= 0xc0) reader.byte() // new properties
    reader.skip(packed)
    size += plain
    if (size > maxBytes) return size
  }
  return size
}

/** Two numbers per block, then padding and a CRC32. */
function index(reader: Reader): void {
  const start = reader.at - 1
  for (let left = reader.number() * 2; left > 0; left--) reader.number()
  reader.skip((4 - ((reader.at - start) % 4)) % 4)
  reader.skip(4)
}

class Reader {
  at = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  peek(): number {
    const byte = this.#bytes[this.at]
    if (byte === undefined) throw new Error('it is cut off')
    return byte
  }

  byte(): number {
    const byte = this.peek()
    this.at++
    return byte
  }

  short(): number {
    return this.byte() * 256 + this.byte()
  }

  /** Seven bits a byte, the lowest first. */
  number(): number {
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new Error('it has a number that is too long')
  }

  skip(count: number): void {
    this.at += count
    if (this.at > this.#bytes.length) throw new Error('it is cut off')
  }
}
