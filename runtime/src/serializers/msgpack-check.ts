/**
 * Whether the bytes are exactly one MessagePack value, by walking its headers. A decoder makes room for as many members as a header
 * announces: five bytes may announce four thousand million. Here what is announced must be there.
 */
export function isWholeMsgpack(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  /** Values that are announced and not read yet. */
  let owed = 1
  while (owed > 0) {
    const head = bytes[at] ?? 0
    at++
    owed--
    const sized = sizeOf(head)
    const length = sized.width === 0 ? sized.length : lengthAt(view, at, sized.width)
    if (length === undefined) return false
    at += sized.width
    if (sized.kind === 'list') owed += length
    else if (sized.kind === 'map') owed += length * 2
    else at += length + sized.more
    if (at > bytes.length) return false
  }
  return at === bytes.length
}

interface Sized {
  readonly kind: 'bytes' | 'list' | 'map'
  /** Bytes that hold the length; 0 where `length` is it. */
  readonly width: 0 | 1 | 2 | 4
  readonly length: number
  /** Bytes that are not in the length: the type of an extension. */
  readonly more: number
}

const bytesOf = (length: number): Sized => ({ kind: 'bytes', width: 0, length, more: 0 })
const counted = (kind: Sized['kind'], width: 1 | 2 | 4, more = 0): Sized => ({ kind, width, length: 0, more })

// Source: the MessagePack specification, "Overview" of formats.
function sizeOf(head: number): Sized {
  if (head <= 0x7f || head >= 0xe0) return bytesOf(0)
  if (head <= 0x8f) return { kind: 'map', width: 0, length: head & 0x0f, more: 0 }
  if (head <= 0x9f) return { kind: 'list', width: 0, length: head & 0x0f, more: 0 }
  if (head <= 0xbf) return bytesOf(head & 0x1f)
  return byHead[head - 0xc0] ?? bytesOf(0)
}

const byHead: readonly Sized[] = [
  ...[0, 0, 0, 0].map(bytesOf), // nil, never used, false, true
  counted('bytes', 1),
  counted('bytes', 2),
  counted('bytes', 4), // bin
  counted('bytes', 1, 1),
  counted('bytes', 2, 1),
  counted('bytes', 4, 1), // ext
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map(bytesOf), // float, uint, int
  ...[1, 2, 4, 8, 16].map((length) => bytesOf(length + 1)), // fixext
  counted('bytes', 1),
  counted('bytes', 2),
  counted('bytes', 4), // str
  counted('list', 2),
  counted('list', 4),
  counted('map', 2),
  counted('map', 4),
]

function lengthAt(view: DataView, at: number, width: 1 | 2 | 4): number | undefined {
  if (at + width > view.byteLength) return undefined
  return width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at) : view.getUint32(at)
}
