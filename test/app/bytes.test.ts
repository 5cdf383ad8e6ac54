import { fileURLToPath } from 'node:url'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TqOptions } from '../../runtime/src/app/tq.ts'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import type { Serializer, TaskOptions } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../serializers/fixtures/${name}`, import.meta.url))

/** The messages that lie on the default queue, where nobody consumes it. */
async function waiting(app: ReturnType<typeof bench>['app']): Promise<readonly RawMessage[]> {
  const transport = await app.connections.transport()
  return transport.peek('celery', { limit: 10, state: 'ready' })
}

describe('which serializer and compression a message has', () => {
  const types: Record<string, string> = {
    json: 'application/json',
    yaml: 'application/x-yaml',
    msgpack: 'application/x-msgpack',
  }
  test.each<[call: string | undefined, task: string | undefined, setting: string | undefined, used: string]>([
    [undefined, undefined, undefined, 'json'],
    [undefined, undefined, 'yaml', 'yaml'],
    [undefined, 'msgpack', undefined, 'msgpack'],
    [undefined, 'msgpack', 'yaml', 'msgpack'],
    ['json', undefined, 'yaml', 'json'],
    ['json', 'msgpack', undefined, 'json'],
    ['yaml', 'msgpack', 'json', 'yaml'],
    ['json', 'msgpack', 'yaml', 'json'],
  ])('call %s, task %s, setting %s: serializer %s', async (call, task, setting, used) => {
    const { app } = bench({ taskSerializer: setting })
    const send = app.task('t.send', { serializer: task }, (n: number) => n)

    await send.applyAsync([1], { serializer: call })

    expect(await waiting(app)).toMatchObject([{ contentType: types[used] }])
  })

  test.each<
    [call: string | undefined, task: string | undefined, setting: string | undefined, used: string | undefined]
  >([
    [undefined, undefined, undefined, undefined],
    [undefined, undefined, 'gzip', 'application/x-gzip'],
    [undefined, 'zstd', undefined, 'application/zstd'],
    [undefined, 'zstd', 'gzip', 'application/zstd'],
    ['brotli', undefined, 'gzip', 'application/x-brotli'],
    ['brotli', 'zstd', 'gzip', 'application/x-brotli'],
    ['xz', 'zstd', undefined, 'application/x-lzma'],
    ['none', 'zstd', 'gzip', undefined],
    [undefined, 'none', 'gzip', undefined],
  ])('call %s, task %s, setting %s: compression %s', async (call, task, setting, used) => {
    const { app } = bench({ taskCompression: setting })
    const send = app.task('t.send', { compression: task }, (n: number) => n)

    await send.applyAsync([1], { compression: call })

    const [message] = await waiting(app)
    expect(message?.headers['compression']).toBe(used)
  })

  test('a signature carries both', async () => {
    const { app } = bench()
    const send = app.task('t.send', (n: number) => n)

    await send.s(1).set({ serializer: 'yaml', compression: 'zlib' }).delay()

    expect(await waiting(app)).toMatchObject([
      { contentType: 'application/x-yaml', headers: { compression: 'application/x-gzip' } },
    ])
  })

  test('a name that nobody knows is an error of the call, and nothing is sent', async () => {
    const { app } = bench()
    const send = app.task('t.send', (n: number) => n)

    await expect(send.applyAsync([1], { serializer: 'ymal' })).rejects.toThrow(/Did you mean 'yaml'/)
    await expect(send.applyAsync([1], { serializer: 'pickle' })).rejects.toThrow(/unpickling runs code/)
    await expect(send.applyAsync([1], { compression: 'gzpi' })).rejects.toThrow(/Did you mean 'gzip'/)
    expect(await waiting(app)).toEqual([])
  })

  test('a retry goes as the task says', async () => {
    const { app, worker, pass } = bench({ acceptContent: ['json', 'yaml'], taskSerializer: 'json' })
    const seen: unknown[] = []
    const again = app.task('t.again', { bind: true, serializer: 'yaml', compression: 'zstd' }, (self, n: number) => {
      seen.push(n)
      if (self.retries === 0) self.retry({ countdown: 100, args: [n + 1] })
      return n
    })
    const { raws } = await heard(app)
    await worker()

    const result = await again.applyAsync([1], { serializer: 'json', compression: 'none' })

    expect(await pass(result.get())).toBe(2)
    expect(seen).toEqual([1, 2])
    expect(raws.map((raw) => [raw.contentType, raw.headers['compression']])).toEqual([
      ['application/json', undefined],
      ['application/x-yaml', 'application/zstd'],
    ])
  })
})

/** Records what is published from now on. */
async function heard(app: ReturnType<typeof bench>['app']): Promise<{ readonly raws: RawMessage[] }> {
  const raws: RawMessage[] = []
  const transport = await app.connections.transport()
  const publish = transport.publish.bind(transport)
  transport.publish = (batch) => {
    raws.push(...batch.map(({ message }) => message))
    return publish(batch)
  }
  return { raws }
}

/** An app with one task, a worker that runs it, and what became of the call. */
async function sent(options: TqOptions, value: unknown, task: TaskOptions = {}) {
  const one = bench(options)
  const echo = one.app.task(
    't.echo',
    { bind: false, ...task } as TaskOptions & { bind?: false },
    (given: unknown) => given,
  )
  await one.worker()
  const result = await echo.delay(value)
  return { ...one, result, value: () => one.pass(result.get()) }
}

describe('what a worker accepts', () => {
  test.each([
    ['yaml', {}],
    ['msgpack', {}],
    ['json', { taskCompression: 'gzip' }],
    ['msgpack', { taskCompression: 'zstd' }],
    ['yaml', { taskCompression: 'brotli' }],
  ] as const)('%s with %o runs', async (name, more) => {
    const value = { n: [1, 2.5, 2n ** 60n], when: new Date(5), bytes: Uint8Array.of(1), text: 'żółć' }

    const { value: back } = await sent({ taskSerializer: name, acceptContent: [name], ...more }, value)

    expect(await back()).toEqual(value)
  })

  test('what is not accepted is set aside with the reason, by name or by content type', async () => {
    for (const acceptContent of [['json'], ['application/json']]) {
      const { app, rest } = await sent({ acceptContent, taskSerializer: 'yaml' }, 1)
      await rest()

      const [aside] = await (await app.connections.transport()).quarantine.list(10)
      expect(aside?.reason).toMatch(/Refused content type "application\/x-yaml": accepted are .*json/)
    }
  })

  test('a worker whose acceptContent names nobody does not start', async () => {
    const { app } = bench({ acceptContent: ['jsno'] })

    await expect(app.startWorker()).rejects.toThrow(/Did you mean 'json'/)
  })

  test('bytes that would grow beyond maxDecompressedBytes are set aside', async () => {
    const { app, rest, value } = await sent({ maxDecompressedBytes: 1000, taskCompression: 'gzip' }, 'x'.repeat(10_000))
    await rest()

    const transport = await app.connections.transport()
    expect(await transport.quarantine.list(10)).toMatchObject([
      { reason: expect.stringMatching(/beyond 1000 bytes.*maxDecompressedBytes/) },
    ])
    void value
  })
})

test('whatever bytes come as whatever type, the worker sets them aside and goes on', async () => {
  const { app, worker, rest, pass } = bench({ acceptContent: ['json', 'yaml', 'msgpack'] })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const transport = await app.connections.transport()
  await worker()
  const types = [
    'application/json',
    'application/x-yaml',
    'application/x-msgpack',
    'application/x-python-serialize',
    '',
  ]
  const compressions = [
    undefined,
    'application/x-gzip',
    'application/zstd',
    'application/x-brotli',
    'application/x-bz2',
    'application/x-lzma',
    'rar',
    7,
  ]
  let bad = 0

  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array(),
      fc.constantFrom(...types),
      fc.constantFrom(...compressions),
      fc.boolean(),
      async (bytes, contentType, compression, isDeflated) => {
        const message: RawMessage = {
          body: isDeflated ? deflateSync(bytes) : bytes,
          contentType,
          contentEncoding: 'utf-8',
          headers: { task: 't.add', id: `bad-${bad}`, compression },
          properties: {},
        }
        await transport.publish([{ exchange: '', routingKey: 'celery', message }])
        bad++
      },
    ),
    { numRuns: 300 },
  )
  await rest()

  expect(await transport.quarantine.list(1000)).toHaveLength(bad)
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
  expect(await pass((await add.delay(2, 2)).get())).toBe(4)
})

describe('a serializer and a compression of your own', () => {
  const shouting: Serializer = {
    name: 'shouting',
    contentType: 'application/x-shouting',
    contentEncoding: 'utf-8',
    encode: (value) => Buffer.from(JSON.stringify(value).replaceAll('a', '§')),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString().replaceAll('§', 'a')) as unknown,
  }

  test('are registered with the app and used by name', async () => {
    const one = bench({
      taskSerializer: 'shouting',
      acceptContent: ['shouting'],
      resultSerializer: 'shouting',
      taskCompression: 'backwards',
    })
    one.app.serializers.register(shouting)
    one.app.compressions.register({
      name: 'backwards',
      contentType: 'application/x-backwards',
      compress: (bytes) => Uint8Array.from(bytes).toReversed(),
      decompress: (bytes) => Uint8Array.from(bytes).toReversed(),
    })
    const echo = one.app.task('t.echo', (text: string) => ({ text }))
    const { raws } = await heard(one.app)
    await one.worker()

    const result = await echo.delay('banana')

    expect(await one.pass(result.get())).toEqual({ text: 'banana' })
    expect(raws[0]).toMatchObject({
      contentType: 'application/x-shouting',
      headers: { compression: 'application/x-backwards' },
    })
  })

  test('outlive a change of settings', () => {
    const { app } = bench()
    app.serializers.register(shouting)

    app.configure({ taskSerializer: 'shouting' })

    expect(app.serializers.get('shouting')).toBe(shouting)
  })

  test('one that throws sets the message aside', async () => {
    const one = bench({ taskSerializer: 'broken', acceptContent: ['broken', 'json'] })
    one.app.serializers.register({
      ...shouting,
      name: 'broken',
      decode: () => {
        throw new RangeError('no idea')
      },
    })
    const echo = one.app.task('t.echo', (n: number) => n)
    await one.worker()

    await echo.delay(1)
    await one.rest()

    const transport = await one.app.connections.transport()
    expect(await transport.quarantine.list(10)).toMatchObject([{ reason: expect.stringMatching(/no idea/) }])
    expect(await one.pass((await echo.applyAsync([2], { serializer: 'json' })).get())).toBe(2)
  })
})

describe('results', () => {
  test.each(['json', 'yaml', 'msgpack'] as const)('are made of %s', async (name) => {
    const value = { n: [1, 2n ** 60n], when: new Date(5), bytes: Uint8Array.of(1) }

    const { value: back } = await sent({ resultSerializer: name, resultCompression: 'zstd' }, value)

    expect(await back()).toEqual(value)
  })

  test('that their serializer cannot hold fail the task', async () => {
    const { result, ready } = await sent({ resultSerializer: 'msgpack' }, 2n ** 70n)

    expect(await ready(result)).toMatchObject({
      state: 'FAILURE',
      error: { type: 'EncodeError', message: [expect.stringMatching(/result.*64 bits/)] },
    })
  })

  test('a serializer that resultAcceptContent leaves out is refused at once', async () => {
    const { app } = bench({ resultSerializer: 'yaml', resultAcceptContent: ['json'] })

    await expect(app.startWorker()).rejects.toThrow(/'yaml' is not in resultAcceptContent/)
  })
})

test.each(['json', 'yaml', 'msgpack'])('events go by eventSerializer %s and are read', async (name) => {
  const { result, ready, eventsOf } = await sent({ eventSerializer: name }, 1)

  await ready(result)

  expect(eventsOf(result.id).map(({ type }) => type)).toEqual([
    'task-sent',
    'task-received',
    'task-started',
    'task-succeeded',
  ])
})

describe('redact', () => {
  const secret = 'hunter2'
  const call = {
    args: ['eva', secret, [{ user: 1, password: secret }]],
    options: { kwargs: { token: secret } },
  } as const

  async function shown(options: TqOptions, redact: readonly string[]) {
    const one = bench({ taskSendSentEvent: true, workerSendTaskEvents: true, ...options })
    const login = one.app.task(
      't.login',
      { params: ['user', 'password', 'more', 'token'], bind: true, redact },
      (self, user: string, password: string, more: unknown, token?: string) => {
        if (self.retries === 0) self.retry({ countdown: 1, args: [user, password, more, token], kwargs: {} })
        given.push(user, password, token)
      },
    )
    const given: unknown[] = []
    const { raws } = await heard(one.app)
    await one.worker()
    const result = await login.applyAsync([...call.args] as [string, string, unknown], call.options)
    await one.pass(result.get())
    await one.rest()
    const texts = [...one.logged, ...one.events.map((event) => JSON.stringify(event))]
    const headers = raws.map(({ headers: { argsrepr, kwargsrepr } }) => `${String(argsrepr)} ${String(kwargsrepr)}`)
    return { given, texts: texts.join('\n'), headers, events: one.eventsOf(result.id) }
  }

  test('hides parameters, keyword arguments and keys of objects in headers, events and logs, in retries too', async () => {
    const { given, texts, headers, events } = await shown({ taskRedact: ['token'] }, ['password'])

    expect(given).toEqual(['eva', secret, secret])
    expect(headers).toEqual([
      "('eva', '***', [{'user': 1, 'password': '***'}]) {'token': '***'}",
      "('eva', '***', [{'user': 1, 'password': '***'}], '***') {}",
    ])
    expect(events.filter(({ type }) => type === 'task-received' || type === 'task-sent')).not.toEqual([])
    expect(texts).not.toContain(secret)
  })

  test('without it everything is shown', async () => {
    const { texts, headers } = await shown({}, [])

    expect(headers[0]).toContain(secret)
    expect(texts).toContain(secret)
  })

  test('names come from the function where the task declares no params', async () => {
    const { app } = bench()
    const login = app.task('t.login', { redact: ['password'] }, (user: string, password: string) => user + password)

    await login.delay('eva', secret)

    const [message] = await waiting(app)
    expect(message?.headers).toMatchObject({ argsrepr: "('eva', '***')" })
  })

  test('a worker hides what its task names even where the sender showed it', async () => {
    const one = bench()
    one.app.task('t.login', { redact: ['password'] }, (user: string, password: string) => user + password)
    await one.worker()

    const result = await one.app.sendTask('t.login', ['eva', secret], {}, { argsRepr: `('eva', '${secret}')` })
    await one.ready(result)

    expect(one.eventsOf(result.id)).toContainEqual(
      expect.objectContaining({ type: 'task-received', args: "('eva', '***')" }),
    )
  })
})

describe('setupSecurity', () => {
  const alice = { key: fixture('alice.key'), certificate: fixture('store/alice.pem') }
  const expired = { key: fixture('bob.key'), certificate: fixture('expired.pem') }

  async function worker(store: string, signer = alice) {
    const one = bench()
    one.app.setupSecurity({ ...signer, store })
    const echo = one.app.task('t.echo', (given: unknown) => given)
    await one.worker()
    return { ...one, echo, transport: await one.app.connections.transport() }
  }

  test('signs what is sent and runs what is signed', async () => {
    const { echo, app, pass } = await worker(fixture('store/alice.pem'))
    const { raws } = await heard(app)

    const result = await echo.delay({ n: 1 })

    expect(await pass(result.get())).toEqual({ n: 1 })
    expect(raws).toMatchObject([{ contentType: 'application/data', contentEncoding: 'utf-8' }])
  })

  test.each<[string, (raw: RawMessage) => RawMessage, RegExp]>([
    [
      'changed on the way',
      (raw) => {
        const body = Buffer.from(Buffer.from(raw.body).toString(), 'base64')
        const last = body.length - 2
        body[last] = (body[last] ?? 0) ^ 1
        return { ...raw, body: Buffer.from(body.toString('base64')) }
      },
      /does not fit the body/,
    ],
    [
      'not signed',
      (raw) => ({ ...raw, body: Buffer.from('[[1],{},{}]'), contentType: 'application/json' }),
      /Refused content type "application\/json": accepted are auth/,
    ],
    ['no signed body at all', (raw) => ({ ...raw, body: Buffer.from('AAAA') }), /signer, signature/],
  ])('a message that is %s is set aside, and the worker goes on', async (_, change, reason) => {
    const { echo, app, transport, rest, pass } = await worker(fixture('store/alice.pem'))
    const publish = transport.publish.bind(transport)
    transport.publish = (batch) => publish(batch.map((one) => ({ ...one, message: change(one.message) })))

    await echo.delay(1)
    await rest()
    transport.publish = publish

    expect(await transport.quarantine.list(10)).toMatchObject([{ reason: expect.stringMatching(reason) }])
    expect(await pass((await echo.delay(2)).get())).toBe(2)
    void app
  })

  test('a signer who is not in the store, or whose certificate has expired, is set aside', async () => {
    const onlyBob = await worker(fixture('store/bob.pem'))
    await onlyBob.echo.delay(1)
    await onlyBob.rest()
    expect(await onlyBob.transport.quarantine.list(10)).toMatchObject([
      { reason: expect.stringMatching(/alice.*not in the store/) },
    ])

    const late = await worker(fixture('expired.pem'), expired)
    await late.echo.delay(1)
    await late.rest()
    expect(await late.transport.quarantine.list(10)).toMatchObject([{ reason: expect.stringMatching(/has expired/) }])
  })

  test('results and events are signed where that is asked for', async () => {
    const one = bench({ resultSerializer: 'auth', eventSerializer: 'auth' })
    one.app.setupSecurity({ ...alice, store: fixture('store') })
    const echo = one.app.task('t.echo', (given: unknown) => [given, new Date(0)])
    await one.worker()

    const result = await echo.delay('ż')

    expect(await one.pass(result.get())).toEqual(['ż', new Date(0)])
    // Monitors here read no signed events: who wants to be seen leaves eventSerializer alone.
    expect(one.eventsOf(result.id)).toEqual([])
  })

  test('a folder of certificates is a store', async () => {
    const { echo, pass } = await worker(fixture('store'))

    expect(await pass((await echo.delay(1)).get())).toBe(1)
  })

  test('what is missing is named', () => {
    expect(() => bench().app.setupSecurity({ key: 'x' })).toThrow(/securityCertificate and securityCertStore/)
    expect(() => bench({ acceptContent: ['auth'] }).app.serializers.check()).toThrow(/securityCertStore/)
    expect(() => bench({ taskSerializer: 'auth' }).app.serializers.get('auth')).toThrow(/not set up/)
    const missing = bench().app.setupSecurity({ ...alice, key: '/nowhere/x.key', store: alice.certificate })
    expect(() => missing.serializers).toThrow(/securityKey '\/nowhere\/x\.key' cannot be read/)
  })
})
