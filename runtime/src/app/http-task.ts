import { systemClock } from '../core/clock.ts'
import { HttpTaskError, InvalidResponseError, RemoteExecuteError, UnknownStatusError } from '../core/errors.ts'
import { orAborted } from '../core/or-aborted.ts'
import { version } from '../core/version.ts'
import { currentContext } from './context.ts'
import { Allowed, type Resolve } from './http-address.ts'
import type { HttpAnswer, HttpCall } from './http-exchange.ts'

/** What an endpoint is called with; as JSON, or a field each in a query or form. */
export type HttpParameters = Readonly<Record<string, unknown>>

/** How an endpoint is called, and which ones may be. */
export interface HttpTaskOptions {
  /** Default POST. GET puts the arguments into the query. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined
  /** Form of the body: `json` (default), or `form` for endpoints that were written for Celery 3. */
  readonly as?: 'json' | 'form' | undefined
  /** More headers, a token for one. A function is called for each request. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>) | undefined
  /** Seconds for the whole exchange, redirects included. Default 30. */
  readonly timeout?: number | undefined
  /** Hosts that may be called, `*.example.com` for all below one. Default the URL's own. */
  readonly allowHosts?: readonly string[] | undefined
  /** Addresses or ranges that may be called although they are not public: `127.0.0.1`, `10.1.0.0/16`. Default none. */
  readonly allowAddresses?: readonly string[] | undefined
  /** Largest answer. Default 1,048,576. */
  readonly mostBytes?: number | undefined
  /** Looks up names instead of the system. */
  readonly resolve?: Resolve | undefined
}

const mostRedirects = 5

/**
 * The function of a task that an HTTP endpoint runs: `app.task('hooks.resize', httpTask('https://example.com/resize'))`. It sends the
 * arguments, and the endpoint answers `{"status": "success", "retval": …}` or `{"status": "failure", "reason": "…"}` as
 * `application/json`. The name is looked up once and the address checked; a redirect is followed on the same origin only. Rejects with
 * HttpTaskError (not allowed, not reached, too slow or too large), InvalidResponseError, UnknownStatusError or RemoteExecuteError.
 * Nothing that may hold a secret is in an error: of the URL only the origin.
 * Source: celery/task/http.py, HttpDispatch (Celery 3.1).
 */
export function httpTask<P extends HttpParameters = HttpParameters, R = unknown>(
  url: string,
  options: HttpTaskOptions = {},
): (params: P) => Promise<R> {
  const endpoint = parsed(url)
  const caller = new HttpCaller(options, options.allowHosts ?? [endpoint.hostname])
  caller.allowed.checkUrl(endpoint)
  return async (params) => (await caller.call(endpoint, params)) as R // what the endpoint promises
}

/**
 * As `httpTask` for an endpoint that each call names itself: `(url, params)`. `allowHosts` says which ones may be named.
 * Source: celery/task/http.py, HttpDispatchTask.
 */
export function httpDispatch(
  options: HttpTaskOptions & { readonly allowHosts: readonly string[] },
): (url: string, params?: HttpParameters) => Promise<unknown> {
  const caller = new HttpCaller(options, options.allowHosts)
  return async (url, params = {}) => caller.call(parsed(url), params)
}

class HttpCaller {
  readonly allowed: Allowed
  readonly #options: HttpTaskOptions

  constructor(options: HttpTaskOptions, hosts: readonly string[]) {
    this.#options = options
    this.allowed = new Allowed(hosts, options.allowAddresses ?? [], options.resolve)
  }

  async call(endpoint: URL, params: HttpParameters): Promise<unknown> {
    const { timeout = 30 } = this.#options
    const context = currentContext()
    const late = new AbortController()
    const timer = (context?.clock ?? systemClock).timer(
      timeout * 1000,
      () => late.abort(new HttpTaskError(`${endpoint.origin} did not answer within ${timeout} s (timeout).`)),
      { ref: true },
    )
    const signal = context ? AbortSignal.any([context.signal, late.signal]) : late.signal
    try {
      return valueOf(await this.#follow(endpoint, params, signal), endpoint)
    } finally {
      timer.cancel()
    }
  }

  async #follow(endpoint: URL, params: HttpParameters, signal: AbortSignal): Promise<HttpAnswer> {
    this.allowed.checkUrl(endpoint)
    const { method = 'POST', mostBytes = 1_048_576 } = this.#options
    const to = await orAborted(this.allowed.addressOf(endpoint), signal)
    const { exchange } = await import('./http-exchange.ts') // node:http takes longer to load than all of tq
    let next = this.#requestOf(endpoint, method, params)
    for (let redirects = 0; ; redirects++) {
      const answer = await exchange({ ...next, to, mostBytes, signal })
      if (answer.status < 300 || answer.status > 399 || answer.location === undefined) return answer
      const target = URL.parse(answer.location, next.url.href)
      if (target?.origin !== endpoint.origin) {
        throw new HttpTaskError(
          `${endpoint.origin} redirects to ${target?.origin ?? 'no URL'}; only the same origin is followed.`,
        )
      }
      if (redirects === mostRedirects) throw new HttpTaskError(`${endpoint.origin} redirects without end.`)
      const { url, headers } = next
      const isRepeated = answer.status === 307 || answer.status === 308
      next = isRepeated
        ? { ...next, url: keepingLogin(target, url) }
        : { url: keepingLogin(target, url), method: 'GET', headers: withoutBody(headers), body: undefined }
    }
  }

  #requestOf(
    endpoint: URL,
    method: string,
    params: HttpParameters,
  ): Pick<HttpCall, 'url' | 'method' | 'headers' | 'body'> {
    const { as = 'json', headers = {} } = this.#options
    const own = {
      'User-Agent': `tq/${version}`,
      Accept: 'application/json',
      ...(typeof headers === 'function' ? headers() : headers),
    }
    if (method === 'GET') {
      const url = new URL(endpoint)
      for (const [name, value] of fieldsOf(params)) url.searchParams.append(name, value)
      return { url, method, headers: own, body: undefined }
    }
    const body = as === 'form' ? fieldsOf(params).toString() : JSON.stringify(params)
    const type = as === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'
    const length = String(Buffer.byteLength(body))
    return { url: endpoint, method, headers: { ...own, 'Content-Type': type, 'Content-Length': length }, body }
  }
}

function parsed(url: string): URL {
  const endpoint = URL.parse(url)
  if (!endpoint) throw new HttpTaskError('expected the endpoint to be a URL such as https://example.com/resize')
  return endpoint
}

/** Texts as they are; what is no text as JSON. */
function fieldsOf(params: HttpParameters): URLSearchParams {
  const fields = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) fields.append(name, typeof value === 'string' ? value : JSON.stringify(value))
  }
  return fields
}

function keepingLogin(target: URL, from: URL): URL {
  const { username, password } = from
  return Object.assign(new URL(target), { username, password })
}

function withoutBody(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.toLowerCase().startsWith('content-')))
}

function valueOf({ status, contentType, body }: HttpAnswer, { origin }: URL): unknown {
  if (status < 200 || status > 299) throw new InvalidResponseError(`${origin} answered with status ${status}.`)
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)) {
    throw new InvalidResponseError(
      `${origin} answered with ${contentType === '' ? 'no content type' : (contentType.split(';')[0] ?? '')}, not with application/json.`,
    )
  }
  const answer = objectOf(body.toString('utf8'))
  if (!answer) throw new InvalidResponseError(`${origin} did not answer with a JSON object.`)
  const { status: said, retval, reason } = answer
  if (said === 'success') return retval ?? null
  if (said === 'failure')
    throw new RemoteExecuteError(typeof reason === 'string' ? reason : (JSON.stringify(reason) ?? 'no reason'))
  throw new UnknownStatusError(`${origin} answered with a status that is neither 'success' nor 'failure'.`)
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
