import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

describe.skipIf(!requireService('rabbitmq'))('amqps', () => {
  /** A node behind a door that speaks TLS, with a certificate that only `caFile` vouches for. */
  async function secured(): Promise<{ url: string; caFile: string }> {
    const folder = temporaryFolder()
    const [keyFile, caFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', caFile, ...subject],
      {
        stdio: 'ignore',
      },
    )
    const node = await sharedRabbitmq()
    const door = createServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (client) => {
      const inside = connect(node.port, '127.0.0.1')
      client.on('error', () => inside.destroy()).pipe(inside)
      inside.on('error', () => client.destroy()).pipe(client)
    })
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void door.close())
    const address = door.address()
    const port = typeof address === 'object' && address ? address.port : 0
    return { url: `amqps://guest:guest@localhost:${port}//`, caFile }
  }

  function connection(url: string): AmqpConnection {
    const made = new AmqpConnection(url, { clock: systemClock, logger: silentLogger })
    onTestFinished(() => made.close())
    return made
  }

  test('a server whose certificate is vouched for is trusted', async () => {
    const { url, caFile } = await secured()
    const secure = connection(`${url}?ssl_ca_certs=${caFile}`)

    await secure.connect()

    expect(await secure.withChannel((channel) => channel.assertQueue('', { exclusive: true }))).toMatchObject({
      messageCount: 0,
    })
  })

  test('one that nobody vouches for is refused, unless that is asked for', async () => {
    const { url } = await secured()

    const refused = connection(url).connect()
    await expect(refused).rejects.toBeInstanceOf(ConnectionError)
    await expect(refused).rejects.toThrow(/self-signed certificate/)
    await connection(`${url}?ssl_cert_reqs=CERT_NONE`).connect()
  })
})
