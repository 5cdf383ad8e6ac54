import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A wire between a client and a server on this machine, which can be cut or go deaf. */
export interface Proxy {
  readonly port: number
  /** How many connections were cut since it began. */
  readonly cuts: number
  /**
   * From now on each connection is cut after a number of bytes drawn by lot from `[1, meanBytes * 2]`, in the middle of
   * whatever is on its way. The same `seed` draws the same numbers.
   */
  cutAtRandom(meanBytes: number, seed: number): void
  /** From the next command on that holds the text, a connection brings nothing to the server any more. */
  swallowFrom(text: string): void
  /** How many connections have swallowed such a command. */
  readonly swallowed: number
  /** From the next command on that holds the text, the server does not answer any more: what it says counts as swallowed bytes. */
  swallowAnswersFrom(text: string): void
  /** Lets everything through again; `cut` connections come back by themselves. */
  heal(): void
  /** Connections stand and new ones are accepted, but nothing gets through in either direction. */
  swallow(): void
  /** Bytes that did not get through since `swallow` or `swallowAnswersFrom`. */
  readonly swallowedBytes: number
  /** Ends the connections that are open. */
  cut(): void
}

/** Starts a proxy to a port of 127.0.0.1; it ends with the test. */
export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let cuts = 0
  let isDeaf = false
  let forbidden: string | undefined
  let unanswered: string | undefined
  let swallowed = 0
  let swallowedBytes = 0
  let draw: (() => number) | undefined

  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    let left = draw?.() ?? Number.POSITIVE_INFINITY
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    const forward = (to: Socket) => (bytes: Buffer) => {
      if (isDeaf) {
        swallowedBytes += bytes.length
        return
      }
      if (draw && left === Number.POSITIVE_INFINITY) left = draw()
      if (!draw || bytes.length < left) {
        left -= draw ? bytes.length : 0
        to.write(bytes)
        return
      }
      cuts++
      const part = bytes.subarray(0, left)
      left = 0
      to.write(part, end)
    }
    let isMute = false
    let isUnanswered = false
    const toServer = forward(upstream)
    const toClient = forward(client)
    client.on('data', (bytes) => {
      if (unanswered !== undefined && bytes.includes(unanswered)) isUnanswered = true
      if (!isMute && forbidden !== undefined && bytes.includes(forbidden)) {
        isMute = true
        swallowed++
      }
      if (!isMute) toServer(bytes)
    })
    upstream.on('data', (bytes) => {
      if (isUnanswered) swallowedBytes += bytes.length
      else toClient(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    cut()
    server.close()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get cuts() {
      return cuts
    },
    cutAtRandom: (meanBytes, seed) => {
      const random = randomNumbers(seed)
      draw = () => 1 + Math.floor(random() * meanBytes * 2)
    },
    swallowFrom: (text) => {
      forbidden = text
    },
    get swallowed() {
      return swallowed
    },
    swallowAnswersFrom: (text) => {
      unanswered = text
      swallowedBytes = 0
    },
    heal: () => {
      draw = undefined
      forbidden = undefined
      unanswered = undefined
      isDeaf = false
    },
    swallow: () => {
      isDeaf = true
      swallowedBytes = 0
    },
    get swallowedBytes() {
      return swallowedBytes
    },
    cut,
  }
}

/** mulberry32: numbers in [0, 1) that look like chance and are the same each time. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
