import { globSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { ContentRefusedError, SettingError } from '../core/errors.ts'
import type { Settings, SettingsInput } from '../core/settings.ts'
import { authSerializer } from '../serializers/auth.ts'
import { CompressionRegistry } from '../serializers/compression.ts'
import { jsonSerializer } from '../serializers/json.ts'
import { msgpackSerializer } from '../serializers/msgpack.ts'
import { type ResultCodec, resultCodec } from '../serializers/result-codec.ts'
import { decodeWith, type Serializer, SerializerRegistry } from '../serializers/serializer.ts'
import { yamlSerializer } from '../serializers/yaml.ts'

/** How an app makes bytes: its serializers and compressions, built-in and registered, under its settings. */
export class Codecs {
  readonly compressions: CompressionRegistry
  readonly #settings: () => Settings
  readonly #clock: Clock
  #serializers: SerializerRegistry | undefined
  #results: ResultCodec | undefined
  /** Outlive a change of settings. */
  #registered: readonly Serializer[] = []

  constructor(settings: () => Settings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.compressions = new CompressionRegistry(() => settings().maxDecompressedBytes)
  }

  /** Throws SettingError where signing is set up and a file of it cannot be read. */
  get serializers(): SerializerRegistry {
    this.#serializers ??= this.#build()
    return this.#serializers
  }

  /** What results look like. Throws SettingError for settings that do not fit together. */
  get results(): ResultCodec {
    this.#results ??= resultCodec(this.#settings(), this.serializers, this.compressions)
    return this.#results
  }

  /** After a change of the settings. */
  reset(): void {
    this.#registered = this.#serializers?.registered ?? this.#registered
    this.#serializers = undefined
    this.#results = undefined
  }

  #build(): SerializerRegistry {
    const settings = this.#settings()
    const builtIn = [jsonSerializer({ style: settings.jsonStyle }), yamlSerializer(), msgpackSerializer()]
    const registry = new SerializerRegistry(settings.acceptContent, builtIn, this.compressions)
    for (const serializer of this.#registered) registry.register(serializer)
    const { securityKey, securityCertificate, securityCertStore } = settings
    if ((securityKey ?? securityCertificate ?? securityCertStore) !== undefined) {
      registry.addBuiltIn(signing(settings, registry, this.#clock))
    }
    return registry
  }
}

/** What `app.setupSecurity` takes; everything may stand in the settings instead. */
export interface SecurityOptions {
  /** File of the private key, PEM. */
  readonly key?: string | undefined
  readonly keyPassword?: string | undefined
  /** File of its certificate, PEM. */
  readonly certificate?: string | undefined
  /** Folder, file or glob of the certificates whose signatures are trusted. */
  readonly store?: string | undefined
  /** Default `sha256`. */
  readonly digest?: string | undefined
  /** Serializer of what is signed; default `json`. */
  readonly serializer?: string | undefined
}

/**
 * The settings of an app that signs its messages and runs none that is not signed. Throws SettingError where key, certificate
 * or store are missing. Source: celery/security/__init__.py, setup_security, which wants the first two settings to be there already.
 */
export function securitySettings(options: SecurityOptions, settings: Settings): SettingsInput {
  const securityKey = options.key ?? settings.securityKey
  const securityCertificate = options.certificate ?? settings.securityCertificate
  const securityCertStore = options.store ?? settings.securityCertStore
  const missing = Object.entries({ securityKey, securityCertificate, securityCertStore })
    .filter(([, value]) => value === undefined)
    .map(([name]) => name)
  if (missing.length > 0) {
    throw new SettingError(`setupSecurity() lacks ${missing.join(' and ')}: give them to it, or set them before.`)
  }
  return {
    taskSerializer: 'auth',
    acceptContent: ['auth'],
    securityKey,
    securityCertificate,
    securityCertStore,
    securityKeyPassword: options.keyPassword,
    securityDigest: options.digest,
    securitySerializer: options.serializer,
  }
}

function signing(settings: Settings, registry: SerializerRegistry, clock: Clock): Serializer {
  const { securityKey, securityCertificate, securityCertStore, securitySerializer } = settings
  if (securitySerializer === 'auth') throw new SettingError("securitySerializer cannot be 'auth': name what is signed.")
  return authSerializer({
    key: read(securityKey, 'securityKey'),
    keyPassword: settings.securityKeyPassword,
    certificate: read(securityCertificate, 'securityCertificate'),
    trusted: securityCertStore === undefined ? [] : storeOf(securityCertStore),
    digest: settings.securityDigest,
    inner: registry.get(securitySerializer),
    decodeInner: (contentType, contentEncoding, body) => {
      const inner = registry.ofType(contentType)
      if (inner && inner.name !== 'auth') return decodeWith(inner, body, contentEncoding)
      throw new ContentRefusedError(
        `The signed body is of the content type ${JSON.stringify(contentType.slice(0, 100))}, which tq does not read.`,
      )
    },
    layout: settings.securityLayout,
    now: () => clock.now(),
  })
}

function read(path: string | undefined, setting: string): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SettingError(`${setting} '${path}' cannot be read: ${cause instanceof Error ? cause.message : ''}`, {
      cause,
    })
  }
}

/** Source: celery/security/certificate.py, FSCertStore: a folder stands for all files in it. */
function storeOf(path: string): { readonly file: string; readonly pem: string }[] {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  const files = globSync(isFolder ? join(path, '*') : path).toSorted()
  if (files.length === 0)
    throw new SettingError(`securityCertStore '${path}' holds no file: nothing would be accepted.`)
  return files.map((file) => ({ file: basename(file), pem: read(file, 'securityCertStore') ?? '' }))
}
