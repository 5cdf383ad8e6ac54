import { readdirSync, readFileSync } from 'node:fs'

/** A file of `fixtures/redis`: raw messages as Python sent them and what its worker stored. */
export interface RedisRecording {
  readonly scenario: string
  readonly sent: readonly { readonly message: Readonly<Record<string, unknown>> & RecordedEnvelope }[]
  readonly outcome: { readonly 'backend-document'?: Readonly<Record<string, unknown>> }
}

export interface RecordedEnvelope {
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: Readonly<Record<string, unknown>>
}

/** A file of `fixtures/amqp`. */
export interface AmqpRecording {
  readonly scenario: string
  readonly sent: readonly {
    readonly properties: Readonly<Record<string, unknown>> & {
      readonly content_type: string
      readonly content_encoding: string
      readonly application_headers: Readonly<Record<string, unknown>>
    }
    readonly body: string | { readonly base64: string }
  }[]
}

export function redisRecordings(): readonly RedisRecording[] {
  return read('redis') as readonly RedisRecording[]
}

export function amqpRecordings(): readonly AmqpRecording[] {
  return read('amqp') as readonly AmqpRecording[]
}

/** The envelope's text as it lay in the list: the recorder added `body-decoded` to it. */
export function envelopeText(message: Readonly<Record<string, unknown>>): string {
  const { 'body-decoded': _, ...envelope } = message
  return JSON.stringify(envelope)
}

function read(folder: string): readonly unknown[] {
  const directory = new URL(`fixtures/${folder}/`, import.meta.url)
  return readdirSync(directory)
    .toSorted()
    .map((name): unknown => JSON.parse(readFileSync(new URL(name, directory), 'utf8')))
}
