import { constants, createPrivateKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import { SecurityError, SettingError } from '../core/errors.ts'
import { packSigned, type SignedLayout, unpackSigned } from './auth-layout.ts'
import type { Serializer } from './serializer.ts'

/** What signing and verifying need; texts are PEM. */
export interface AuthOptions {
  /** RSA key that signs; without it nothing can be sent. */
  readonly key?: string | undefined
  readonly keyPassword?: string | undefined
  /** The certificate of `key`: its issuer and serial number name the signer. */
  readonly certificate?: string | undefined
  /** Whose signatures are trusted: certificates with the names of their files. Without any nothing is accepted. */
  readonly trusted: readonly { readonly file: string; readonly pem: string }[]
  /** As OpenSSL names it; default `sha256`. */
  readonly digest?: string | undefined
  /** The serializer of what is signed. */
  readonly inner: Serializer
  /** Reads what was signed; never called before the signature is checked. */
  readonly decodeInner: (contentType: string, contentEncoding: string, body: Uint8Array) => unknown
  readonly layout: SignedLayout
  /** Epoch ms: certificates expire. */
  readonly now: () => number
}

/**
 * Celery's `auth`: another serializer's bytes with an RSA signature (PSS, MGF1, the longest salt). What is tampered with, or signed by somebody
 * unknown or with a certificate that has expired, throws SecurityError. Source: celery/security/serialization.py, certificate.py, key.py.
 */
export function authSerializer(options: AuthOptions): Serializer {
  const digest = digestName(options.digest ?? 'sha256')
  const signer = signerOf(options)
  const trusted = trustedSigners(options)
  const { inner, layout } = options
  return {
    name: 'auth',
    contentType: 'application/data',
    contentEncoding: 'utf-8',
    encode: (value) => {
      if (!signer) {
        throw new SettingError(
          "Serializer 'auth' cannot sign: set securityKey and securityCertificate, or call app.setupSecurity().",
        )
      }
      const body = inner.encode(value)
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN }
      const signature = sign(digest, body, { key: signer.key, ...padding })
      const { contentType, contentEncoding } = inner
      return packSigned({ signer: signer.id, signature, contentType, contentEncoding, body }, layout)
    },
    decode: (bytes) => {
      const signed = unpackSigned(bytes, (id) => trusted.get(id)?.signatureBytes)
      const by = trusted.get(signed.signer)
      if (!by) {
        throw new SecurityError(
          `Signed by ${JSON.stringify(signed.signer.slice(0, 200))}, whose certificate is not in the store (securityCertStore).`,
        )
      }
      if (options.now() >= by.untilMs) {
        throw new SecurityError(
          `Signed by ${JSON.stringify(signed.signer)}, whose certificate ${by.file} has expired. Renew it.`,
        )
      }
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
      if (!verify(digest, signed.body, { key: by.key, ...padding }, signed.signature)) {
        throw new SecurityError(
          `The signature of ${JSON.stringify(signed.signer)} does not fit the body: it was changed on the way, or signed with another key or digest.`,
        )
      }
      return options.decodeInner(signed.contentType, signed.contentEncoding, signed.body)
    },
  }
}

interface Trusted {
  readonly file: string
  readonly key: KeyObject
  readonly signatureBytes: number
  readonly untilMs: number
}

function signerOf({
  key,
  keyPassword,
  certificate,
}: AuthOptions): { readonly key: KeyObject; readonly id: string } | undefined {
  if (key === undefined || certificate === undefined) return undefined
  const own = readCertificate(certificate, 'securityCertificate')
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key, passphrase: keyPassword })
  } catch (cause) {
    throw new SettingError('securityKey holds no private key in PEM that can be read. Is securityKeyPassword right?', {
      cause,
    })
  }
  if (!own.checkPrivateKey(privateKey)) {
    throw new SettingError('securityKey is not the key of securityCertificate: nobody could check what it signs.')
  }
  return { key: privateKey, id: signerId(own) }
}

function trustedSigners({ trusted }: AuthOptions): ReadonlyMap<string, Trusted> {
  const byId = new Map<string, Trusted>()
  for (const { file, pem } of trusted) {
    const certificate = readCertificate(pem, file)
    const id = signerId(certificate)
    const other = byId.get(id)
    if (other)
      throw new SettingError(`${file} and ${other.file} in securityCertStore are certificates of one signer, '${id}'.`)
    byId.set(id, {
      file,
      key: certificate.publicKey,
      signatureBytes: (certificate.publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >> 3,
      untilMs: Date.parse(certificate.validTo),
    })
  }
  return byId
}

function readCertificate(pem: string, what: string): X509Certificate {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (cause) {
    throw new SettingError(`${what} holds no certificate in PEM.`, { cause })
  }
  const { asymmetricKeyType } = certificate.publicKey
  if (asymmetricKeyType === 'rsa') return certificate
  throw new SettingError(`${what} has a key of the kind ${asymmetricKeyType ?? 'unknown'}; Celery signs with RSA only.`)
}

/** Values of the issuer's attributes and the serial number. Source: celery/security/certificate.py, Certificate.get_id. */
function signerId(certificate: X509Certificate): string {
  const issuer: object = certificate.toLegacyObject().issuer
  const serial = BigInt(`0x${certificate.serialNumber}`)
  return `${Object.values(issuer).flat().join(' ')} ${serial}`
}

/** `SHA256` and `sha3_256` are names of Python's cryptography. */
function digestName(name: string): string {
  const digest = name.toLowerCase().replace(/^sha3_/, 'sha3-')
  return /^blake2[bs]$/.test(digest) ? `${digest}${digest.endsWith('b') ? '512' : '256'}` : digest
}
