import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { httpDispatch, httpTask, type HttpTaskOptions } from '../../runtime/src/index.ts'
import { memoryApp } from '../../runtime/src/testing.ts'

interface Heard {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

type Answer = (heard: Heard, answer: ServerResponse) => void

/** An endpoint on loopback, what it was asked, and a task of it. */
async function endpoint(answer: Answer) {
  const heard: Heard[] = []
  let connections = 0
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method, url, headers } = request
      const one = { method, url, headers, body: Buffer.concat(parts).toString() }
      heard.push(one)
      answer(one, response)
    })
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  const allowAddresses = ['127.0.0.1']
  return {
    heard,
    base,
    port,
    connections: () => connections,
    task: (path: string, options: HttpTaskOptions = {}) => httpTask(base + path, { allowAddresses, ...options }),
  }
}

function json(value: unknown, status = 200): Answer {
  return (_, answer) => answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const success = json({ status: 'success', retval: 42 })

describe('an HTTP task', () => {
  test('posts its arguments as JSON and gives the retval', async () => {
    const { task, heard } = await endpoint(success)

    const value = await task('/multiply')({ x: 6, y: [7] })

    expect(value).toBe(42)
    expect(heard).toMatchObject([
      { method: 'POST', url: '/multiply', headers: { 'content-type': 'application/json' }, body: '{"x":6,"y":[7]}' },
    ])
  })

  test('is a task like any other: it runs on a worker, and fails with the reason', async () => {
    const { task } = await endpoint(({ body }, answer) =>
      json(body === '{"x":1}' ? { status: 'success', retval: 2 } : { status: 'failure', reason: 'no x' })(
        {} as Heard,
        answer,
      ),
    )
    const app = memoryApp()
    onTestFinished(() => app.close())
    const double = app.task('hooks.double', task('/double'))
    await app.startWorker()

    const [good, bad] = [await double.delay({ x: 1 }), await double.delay({})]

    expect(await good.get({ timeout: 30 })).toBe(2)
    await expect(bad.get({ timeout: 30 })).rejects.toMatchObject({ type: 'RemoteExecuteError', args: ['no x'] })
  })

  test('puts them into the query with GET', async () => {
    const { task, heard } = await endpoint(success)

    await task('/multiply?k=v', { method: 'GET' })({ x: 1, name: 'a b&c', list: [1] })

    expect(heard).toMatchObject([{ method: 'GET', url: '/multiply?k=v&x=1&name=a+b%26c&list=%5B1%5D', body: '' }])
  })

  test('sends a form to endpoints of Celery 3', async () => {
    const { task, heard } = await endpoint(success)

    await task('/multiply', { as: 'form' })({ x: 6, name: 'ä b' })

    expect(heard).toMatchObject([
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'x=6&name=%C3%A4+b' },
    ])
  })

  test('sends the headers that it is given, made anew for each request', async () => {
    const { task, heard } = await endpoint(success)
    let token = 0
    const call = task('/', { headers: () => ({ authorization: `Bearer ${++token}` }) })

    await call({})
    await call({})

    expect(heard.map(({ headers }) => headers.authorization)).toEqual(['Bearer 1', 'Bearer 2'])
  })

  test('without a retval gives null', async () => {
    const { task } = await endpoint(json({ status: 'success' }))

    expect(await task('/')({})).toBe(null)
  })
})

describe('an answer that is none', () => {
  test.each<readonly [string, Answer, string, string]>([
    ['another status', json({ status: 'maybe' }), 'UnknownStatusError', "neither 'success' nor 'failure'"],
    ['an error page', json({ status: 'success' }, 500), 'InvalidResponseError', 'status 500'],
    ['a list', json([1]), 'InvalidResponseError', 'not answer with a JSON object'],
    [
      'no JSON',
      (_, answer) => answer.writeHead(200, { 'content-type': 'application/json' }).end('secret {'),
      'InvalidResponseError',
      'not answer with a JSON object',
    ],
    [
      'HTML',
      (_, answer) => answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('{}'),
      'InvalidResponseError',
      'text/html, not with application/json',
    ],
    ['no content type', (_, answer) => answer.end('{}'), 'InvalidResponseError', 'no content type'],
    ['a connection that is cut', (_, answer) => answer.destroy(), 'HttpTaskError', 'cannot be reached: ECONNRESET'],
  ])('%s', async (_, answer, type, text) => {
    const { task } = await endpoint(answer)

    const error = await task('/path-secret?token=query-secret')({ password: 'argument-secret' }).catch(
      (thrown: unknown) => thrown,
    )

    expect(error).toMatchObject({ message: expect.stringContaining(text) })
    expect(error instanceof Error && error.constructor.name).toBe(type)
    expect(String(error)).not.toContain('secret')
  })

  test.each(['application/json; charset=utf-8', 'application/problem+json', 'APPLICATION/JSON'])(
    '%s is JSON',
    async (type) => {
      const { task } = await endpoint((_, answer) =>
        answer.writeHead(200, { 'content-type': type }).end('{"status":"success","retval":1}'),
      )

      expect(await task('/')({})).toBe(1)
    },
  )

  test('a body without end is cut off', async () => {
    const { task } = await endpoint((_, answer) => {
      answer.writeHead(200, { 'content-type': 'application/json' })
      const more = (): void => {
        while (answer.write('x'.repeat(10_000)));
        answer.once('drain', more)
      }
      more()
    })

    await expect(task('/', { mostBytes: 100_000 })({})).rejects.toThrow('more than 100000 bytes')
  })

  test('an endpoint that says nothing is given up after the timeout', async () => {
    const { task, base } = await endpoint(() => undefined)

    await expect(task('/', { timeout: 0.05 })({})).rejects.toThrow(`${base} did not answer within 0.05 s`)
  })

  test('one that stops in the middle of its answer, too', async () => {
    const { task } = await endpoint((_, answer) => {
      answer.writeHead(200, { 'content-type': 'application/json' }).write('{')
    })

    await expect(task('/', { timeout: 0.05 })({})).rejects.toThrow('did not answer within')
  })

  test('the soft limit of the task ends the request', async () => {
    const { task } = await endpoint(() => undefined)
    const app = memoryApp()
    onTestFinished(() => app.close())
    const call = app.task('hooks.slow', { softTimeLimit: 0.05 }, task('/'))
    await app.startWorker()

    const result = await call.delay({})

    await expect(result.get({ timeout: 30 })).rejects.toMatchObject({ type: 'SoftTimeLimitExceeded' })
  })
})

describe('where a request may go', () => {
  test.each([
    'http://127.0.0.1/',
    'http://localhost/',
    'http://10.1.2.3/',
    'http://172.16.0.1/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://100.64.0.1/',
    'http://0.0.0.0/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]/',
    'http://[::]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://224.0.0.1/',
  ])('%s is refused: its address is not public', async (url) => {
    await expect(httpTask(url, { timeout: 5 })({})).rejects.toMatchObject({
      code: 'TQ_HTTP_TASK',
      message: expect.stringContaining('not a public address. Name it in allowAddresses'),
    })
  })

  test('a range of addresses may be allowed', async () => {
    const { base } = await endpoint(success)

    expect(await httpTask(base, { allowAddresses: ['127.0.0.0/8'] })({})).toBe(42)
    await expect(httpTask(base, { allowAddresses: ['10.0.0.0/8'] })({})).rejects.toThrow('not a public address')
  })

  test('a name is looked up once, and its address used for the connection', async () => {
    const { port, heard } = await endpoint(success)
    const asked: string[] = []
    // A name server that answers otherwise the second time.
    const resolve = async (name: string) => {
      asked.push(name)
      return [{ address: asked.length === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
    }
    const call = httpTask(`http://hooks.test:${port}/`, { resolve, allowAddresses: ['127.0.0.1'] })

    const value = await call({})

    expect([value, asked, heard.map(({ headers }) => headers.host)]).toEqual([
      42,
      ['hooks.test'],
      [`hooks.test:${port}`],
    ])
    await expect(call({})).rejects.toThrow('127.0.0.2, which is not a public address')
  })

  test('a name with one address that is not public is refused', async () => {
    const { port, connections } = await endpoint(success)
    const resolve = async () => [
      { address: '127.0.0.1', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ]

    const call = httpTask(`http://hooks.test:${port}/`, { resolve, allowAddresses: ['127.0.0.1'] })({})

    await expect(call).rejects.toThrow('10.0.0.1')
    expect(connections()).toBe(0)
  })

  test.each([['ENOTFOUND', { address: '', family: 0 }]])(
    'a name that cannot be resolved is told by its code (%s)',
    async (code) => {
      const resolve = () => Promise.reject(Object.assign(new Error(`getaddrinfo ${code}`), { code }))

      await expect(httpTask('http://hooks.test/s3cret', { resolve })({})).rejects.toThrow(
        `The host of http://hooks.test cannot be resolved: ${code}`,
      )
    },
  )

  test.each(['ftp://example.com/', 'file:///etc/passwd', 'not a URL'])('%s is no endpoint', (url) => {
    expect(() => httpTask(url)).toThrow('expected the')
  })

  test.each(['10.0.0.0/33', 'localhost', '10.0.0.0/'])('%s is no address to allow', (range) => {
    expect(() => httpTask('https://example.com', { allowAddresses: [range] })).toThrow(
      'expected allowAddresses to hold',
    )
  })
})

describe('a redirect', () => {
  test('on the same origin is followed, as GET', async () => {
    const { task, heard } = await endpoint((one, answer) =>
      one.url === '/old' ? answer.writeHead(303, { location: '/new' }).end() : success(one, answer),
    )

    const value = await task('/old', { headers: { authorization: 'Bearer 1' } })({ x: 1 })

    expect(value).toBe(42)
    expect(heard.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['POST', '/old', '{"x":1}'],
      ['GET', '/new', ''],
    ])
  })

  test('that keeps the method keeps the arguments', async () => {
    const { task, heard } = await endpoint((one, answer) =>
      one.url === '/old' ? answer.writeHead(307, { location: '/new' }).end() : success(one, answer),
    )

    await task('/old')({ x: 1 })

    expect(heard.at(-1)).toMatchObject({ method: 'POST', url: '/new', body: '{"x":1}' })
  })

  test('to another host is not followed', async () => {
    const other = await endpoint(success)
    const { task } = await endpoint((_, answer) => answer.writeHead(307, { location: `${other.base}/?secret` }).end())

    await expect(task('/')({})).rejects.toThrow(
      /redirects to http:\/\/127\.0\.0\.1:\d+; only the same origin is followed/,
    )
    expect(other.connections()).toBe(0)
  })

  test('without end is given up', async () => {
    const { task, heard } = await endpoint((_, answer) => answer.writeHead(302, { location: '/' }).end())

    await expect(task('/')({})).rejects.toThrow('redirects without end')
    expect(heard).toHaveLength(6)
  })
})

describe('an endpoint that each call names', () => {
  test('is called where its host is allowed', async () => {
    const { base } = await endpoint(success)
    const dispatch = httpDispatch({ allowHosts: ['127.0.0.1'], allowAddresses: ['127.0.0.1'] })

    expect(await dispatch(`${base}/x`, { x: 1 })).toBe(42)
  })

  test.each(['http://example.com', 'http://sub.example.org.evil.com', 'http://example.org'])(
    '%s is not among them',
    async (url) => {
      const dispatch = httpDispatch({ allowHosts: ['*.example.org'] })

      await expect(dispatch(`${url}/?secret`)).rejects.toThrow(
        `${url} is not among the hosts that the task may call (allowHosts: *.example.org).`,
      )
    },
  )
})
