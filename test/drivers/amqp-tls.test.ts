import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import type { TlsWish } from '../../runtime/src/drivers/tls.ts'
import { Tq, type TqOptions } from '../../runtime/src/index.ts'
import { type Certificates, makeCertificates } from '../helpers/certificates.ts'
import { type RabbitmqNode, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { freePort, requireService } from '../helpers/services.ts'

describe.skipIf(!requireService('rabbitmq'))('TLS to RabbitMQ', () => {
  let node: RabbitmqNode

  beforeAll(async () => {
    node = await sharedRabbitmq()
  })

  /** A door of the node that wants a certificate of its clients and shows one that only `ca` vouches for. */
  async function secured(): Promise<Certificates & { readonly port: number; readonly vhost: string }> {
    const files = makeCertificates()
    const port = await freePort()
    const paths = `{cacertfile, "${files.ca}"}, {certfile, "${files.cert}"}, {keyfile, "${files.key}"}`
    const listener = `{"127.0.0.1", ${port}}`
    node.evaluate(
      `rabbit_networking:ensure_ssl(), ok = rabbit_networking:start_ssl_listener(${listener}, [${paths}, {verify, verify_peer}, {fail_if_no_peer_cert, true}], 2)`,
    )
    const vhost = node.vhost()
    onTestFinished(() => {
      vhost.drop()
      node.evaluate(`rabbit_networking:stop_tcp_listener(${listener})`)
    })
    return { ...files, port, vhost: vhost.name }
  }

  function connection(url: string, tls?: TlsWish): AmqpConnection {
    const made = new AmqpConnection(url, { clock: systemClock, logger: silentLogger, tls })
    onTestFinished(() => made.close())
    return made
  }

  function tq(options: TqOptions): Tq {
    const app = new Tq('secured', { logger: silentLogger, backend: 'rpc://', ...options })
    onTestFinished(() => app.close())
    return app
  }

  test('a worker and a client go through it with the files that brokerUseSsl names', async () => {
    const { port, vhost, ca, cert, key } = await secured()
    const settings = { broker: `amqp://guest:guest@localhost:${port}/${vhost}`, brokerUseSsl: { ca, cert, key } }
    const server = tq(settings)
    server.task('double', (n: number) => n * 2)
    await server.startWorker({ hostname: 'secured@tests' })

    const result = await tq(settings).sendTask('double', [21])

    expect(await result.get({ timeout: 30 })).toBe(42)
  })

  test('the object that Python is configured with does as well', async () => {
    const { port, vhost, ca, cert, key } = await secured()
    const app = tq({ broker: `amqp://guest:guest@localhost:${port}/${vhost}` })
    app.configFromObject({ broker_use_ssl: { ca_certs: ca, certfile: cert, keyfile: key, cert_reqs: 2 } })

    const transport = await app.connections.transport()

    expect(await transport.purge('celery')).toBe(0)
  })

  test('the files may stand in the URL', async () => {
    const { port, vhost, ca, cert, key } = await secured()
    const files = `ssl_ca_certs=${ca}&ssl_certfile=${cert}&ssl_keyfile=${key}`
    const secure = connection(`amqps://guest:guest@localhost:${port}/${vhost}?${files}`)

    await secure.connect()

    expect(await secure.withChannel((channel) => channel.assertQueue('', { exclusive: true }))).toMatchObject({
      messageCount: 0,
    })
  })

  test('a server that nobody vouches for is refused, unless that is asked for', async () => {
    const { port, vhost, cert, key } = await secured()
    const url = `amqp://guest:guest@localhost:${port}/${vhost}`
    const files = { certFile: cert, keyFile: key }

    const refused = connection(url, files).connect()

    await expect(refused).rejects.toBeInstanceOf(ConnectionError)
    await expect(refused).rejects.toThrow(/certificate/)
    await connection(url, { ...files, certRequired: false }).connect()
  })

  test('a certificate of another name is refused, unless its name does not count', async () => {
    const { port, vhost, ca, cert, key } = await secured()
    const url = `amqp://guest:guest@localhost:${port}/${vhost}`
    const files = { caFile: ca, certFile: cert, keyFile: key, serverName: 'shop.example' }

    await expect(connection(url, files).connect()).rejects.toThrow(/shop\.example/)
    await connection(url, { ...files, checkName: false }).connect()
  })

  test('a file that is not there is named', async () => {
    const refused = connection('amqps://localhost:1', { caFile: '/no/such/ca.pem' }).connect()

    await expect(refused).rejects.toThrow(/no\/such\/ca\.pem/)
  })
})
