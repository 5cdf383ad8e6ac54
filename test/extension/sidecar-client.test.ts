import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { RestartPolicy } from '../../extension/src/restart-policy.ts'
import { SidecarClient, SidecarGoneError, type SidecarSetup } from '../../extension/src/sidecar-client.ts'
import { inspectWorker, refresh } from '../../extension/src/sidecar/protocol.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'

const clients: SidecarClient[] = []

afterEach(async () => {
  await Promise.all(clients.splice(0).map((one) => one.stop()))
})

/** A sidecar that notes down what it hears, answers every request with it, and ends when it is told to refresh. */
const program = `
import { appendFileSync } from 'node:fs'
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from ${JSON.stringify(
  import.meta.resolve('vscode-jsonrpc/node'),
)}
const connection = createMessageConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout))
const note = (method, params) => appendFileSync(process.env.NOTES, JSON.stringify({ method, params, pid: process.pid }) + '\\n')
connection.onRequest((method, params) => {
  note(method, params)
  return method === 'initialize' ? { pid: process.pid, node: process.version } : { lines: [method] }
})
connection.onNotification((method, params) => {
  note(method, params)
  if (method === 'refresh') process.exit(1)
})
process.stdin.on('close', () => process.exit(0))
connection.listen()
`

interface Heard {
  readonly method: string
  readonly params: Record<string, unknown>
  readonly pid: number
}

function started(given: Partial<SidecarSetup> = {}, source = program) {
  const folder = temporaryFolder()
  const entry = join(folder, 'main.mjs')
  const notes = join(folder, 'notes')
  writeFileSync(entry, source)
  process.env['NOTES'] = notes
  const lines: string[] = []
  const editor = { execPath: process.execPath, version: process.versions.node }
  const setup: SidecarSetup = {
    folders: [{ path: folder, name: 'f' }],
    trusted: true,
    brokerUrl: 'redis://x',
    node: { nodePath: '', path: '', editor, trusted: true },
    ...given,
  }
  const client = new SidecarClient({
    entry,
    setup: () => setup,
    log: (level, text) => lines.push(`${level} ${text}`),
    now: Date.now,
  })
  clients.push(client)
  client.restart()
  const heard = (): Heard[] => {
    const text = existsSync(notes) ? readFileSync(notes, 'utf8').trim() : ''
    return text === '' ? [] : text.split('\n').map((one) => JSON.parse(one) as Heard) // as the program above writes it
  }
  return { client, folder, heard, lines }
}

describe('the sidecar', () => {
  test('is told the folders, trust and broker, and answers requests that were made before it was there', async () => {
    const { client, heard, folder } = started()

    const answer = await client.request(inspectWorker, { target: 't', hostname: 'w' })

    expect(answer).toEqual({ lines: ['inspectWorker'] })
    expect(heard()[0]).toMatchObject({
      method: 'initialize',
      params: { protocolVersion: 1, folders: [{ path: folder, name: 'f' }], trusted: true, brokerUrl: 'redis://x' },
    })
  })

  test('of a workspace that is not trusted hears of no broker', async () => {
    const { client, heard } = started({ trusted: false })

    await waitFor(() => client.state === 'ready', { what: 'the sidecar' })

    expect(heard()[0]?.params).toMatchObject({ trusted: false })
    expect(heard()[0]?.params).not.toHaveProperty('brokerUrl')
  })

  test('is started again when it ends, and hears of the open buffers anew', async () => {
    const { client, heard } = started()
    client.bufferChanged({ file: '/a.ts', text: 'one', version: 1 })
    client.bufferChanged({ file: '/b.ts', text: 'two', version: 1 })
    await waitFor(() => heard().some((one) => one.method === 'bufferChanged'), { what: 'the buffers' })
    client.bufferClosed('/b.ts')

    client.notify(refresh, undefined)
    await waitFor(() => heard().filter((one) => one.method === 'initialize').length === 2 && client.state === 'ready', {
      what: 'the second one',
    })
    await waitFor(() => heard().at(-1)?.method === 'bufferChanged', { what: 'the buffer' })

    const [first, last] = [heard()[0], heard().at(-1)]
    expect(last).toMatchObject({ params: { file: '/a.ts', text: 'one', version: 1 } })
    expect(last?.pid).not.toBe(first?.pid)
  })

  test('without any Node there is none, and requests are refused', async () => {
    const editor = { execPath: '/nowhere', version: '20.0.0' }
    const { client, lines } = started({ node: { nodePath: '', path: '', editor, trusted: true } })

    await waitFor(() => client.state === 'noNode', { what: 'the search for Node' })

    await expect(client.request(inspectWorker, { target: 't', hostname: 'w' })).rejects.toThrow(SidecarGoneError)
    expect(lines.join('\n')).toContain('tq.nodePath')
  })

  test('is not started for a workspace without folders', () => {
    const { client } = started({ folders: [] })

    expect(client.state).toBe('idle')
  })

  test('ends with its editor', async () => {
    const { client, heard } = started()
    await waitFor(() => client.state === 'ready', { what: 'the sidecar' })
    const pid = heard()[0]?.pid ?? 0

    await client.stop()

    expect(() => process.kill(pid, 0)).toThrow()
    expect(client.state).toBe('stopped')
  })
})

describe('a process that dies', () => {
  test('is started again after 1, 2, 4 and 8 s and given up at the fifth end within three minutes', () => {
    const policy = new RestartPolicy()

    const waits = [0, 1, 2, 3, 4].map((second) => policy.ended(second * 1000))

    expect(waits).toEqual([1000, 2000, 4000, 8000, undefined])
  })

  test('is started at once again when its earlier ends are long ago or a person asked for it', () => {
    const policy = new RestartPolicy()
    for (const second of [0, 1, 2, 3]) policy.ended(second * 1000)

    const later = policy.ended(4 * 60_000)
    policy.reset()

    expect(later).toBe(1000)
    expect(policy.ended(4 * 60_000 + 1)).toBe(1000)
  })
})
