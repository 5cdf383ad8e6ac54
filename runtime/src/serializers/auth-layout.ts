import { DecodeError } from '../core/errors.ts'

/**
 * How the parts of a signed body lie in it. `separated`: Celery 5.5 and later, signer and signature in base64 of their own. `raw`:
 * Celery 5.4 and older, which read nothing else. Both are read.
 */
export type SignedLayout = 'separated' | 'raw'

export interface Signed {
  /** Issuer and serial number of the signer's certificate. */
  readonly signer: string
  readonly signature: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  /** What was signed. */
  readonly body: Uint8Array
}

const separator = Buffer.from([0, 1])

/** Base64 of all parts with a separator between. Source: celery/security/serialization.py, SecureSerializer._pack. */
export function packSigned(signed: Signed, layout: SignedLayout): Uint8Array {
  const [signer, signature] = [Buffer.from(signed.signer), Buffer.from(signed.signature)]
  const own = layout === 'raw' ? [signer, signature] : [base64(signer), base64(signature)]
  const rest = [Buffer.from(signed.contentType), Buffer.from(signed.contentEncoding), Buffer.from(signed.body)]
  const parts = [...own, ...rest].flatMap((part, index) => (index === 0 ? [part] : [separator, part]))
  return base64(Buffer.concat(parts))
}

/**
 * The parts of either layout. `signatureBytes` answers the length of a known signer's signatures, which the raw layout needs, since
 * they may hold the separator. Throws DecodeError. Source: celery/security/serialization.py, SecureSerializer._unpack (5.2 and 5.6).
 */
export function unpackSigned(bytes: Uint8Array, signatureBytes: (signer: string) => number | undefined): Signed {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text))
    throw new DecodeError('A signed body is to be base64, this one is not.')
  const whole = Buffer.from(text, 'base64')
  const [first, afterFirst] = upToSeparator(whole, 0)
  const rawSigner = first.toString()
  const rawLength = signatureBytes(rawSigner)
  if (rawLength !== undefined) {
    const signature = whole.subarray(afterFirst, afterFirst + rawLength)
    const end = afterFirst + rawLength
    if (!whole.subarray(end, end + separator.length).equals(separator)) throw cutOff()
    return { signer: rawSigner, signature, ...tail(whole, end + separator.length) }
  }
  const [second, afterSecond] = upToSeparator(whole, afterFirst)
  return {
    // An unknown signer of the raw layout comes out garbled, and is refused as unknown.
    signer: isBase64(rawSigner) ? Buffer.from(rawSigner, 'base64').toString() : rawSigner,
    signature: Buffer.from(second.toString('latin1'), 'base64'),
    ...tail(whole, afterSecond),
  }
}

function tail(whole: Buffer, at: number): Pick<Signed, 'contentType' | 'contentEncoding' | 'body'> {
  const [contentType, afterType] = upToSeparator(whole, at)
  const [contentEncoding, afterEncoding] = upToSeparator(whole, afterType)
  return {
    contentType: contentType.toString(),
    contentEncoding: contentEncoding.toString(),
    body: whole.subarray(afterEncoding),
  }
}

function upToSeparator(whole: Buffer, from: number): [part: Buffer, after: number] {
  const at = whole.indexOf(separator, from)
  if (at < 0) throw cutOff()
  return [whole.subarray(from, at), at + separator.length]
}

function cutOff(): DecodeError {
  return new DecodeError(
    'A signed body is to be signer, signature, content type, encoding and body; this one lacks some.',
  )
}

function base64(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1')
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
}
