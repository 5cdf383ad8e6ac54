import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import { HttpTaskError } from '../core/errors.ts'
import type { CheckedAddress } from './http-address.ts'

export interface HttpCall {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Where the name was found to lead; the name itself is for the Host header and the certificate. */
  readonly to: CheckedAddress
  readonly mostBytes: number
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly location: string | undefined
  readonly body: Buffer
}

/** One request and its answer, redirects not followed. Rejects with HttpTaskError, or with the reason of the signal. */
export function exchange(call: HttpCall): Promise<HttpAnswer> {
  const { url, method, headers, body, signal } = call
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      if (signal.aborted) reject(signal.reason as Error)
      else if (error instanceof HttpTaskError) reject(error)
      else reject(new HttpTaskError(`${url.origin} cannot be reached: ${reasonOf(error)}`, { cause: error }))
    }
    let sent: ClientRequest
    try {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      // No agent: a connection that is kept for the next call would be one to an address that was checked for this one.
      sent = send(url, { method, headers, agent: false, lookup: only(call.to), signal }, (answer) => {
        read(answer, call).then(resolve, fail)
      })
    } catch (error) {
      return fail(error)
    }
    sent.on('error', fail)
    sent.end(body)
  })
}

/** The connection goes to the address that was checked: no second lookup, and so no second answer. */
function only({ address, family }: CheckedAddress): LookupFunction {
  return (_, options, done) => {
    if (options.all) done(null, [{ address, family }])
    else done(null, address, family)
  }
}

async function read(answer: IncomingMessage, { url, mostBytes }: HttpCall): Promise<HttpAnswer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer) {
    const chunk = Buffer.from(part as Uint8Array) // no encoding was set
    bytes += chunk.length
    if (bytes > mostBytes) {
      answer.destroy()
      throw new HttpTaskError(`${url.origin} answered with more than ${mostBytes} bytes (mostBytes).`)
    }
    parts.push(chunk)
  }
  return {
    status: answer.statusCode ?? 0,
    contentType: headerOf(answer, 'Content-Type') ?? '',
    location: headerOf(answer, 'Location'),
    body: Buffer.concat(parts),
  }
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  return typeof value === 'string' ? value : undefined
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
