import { TqError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import type { Listening, Transport } from '../transports/transport.ts'
import {
  type ControlRequest,
  controlExchange,
  decodeRequest,
  encodeReply,
  isControlCommand,
} from '../wire/control-dict.ts'
import { isAddressed } from './node-match.ts'

/** The part of a Lamport clock that remote control needs. */
export interface LogicalClock {
  forward(): number
  adjust(remote: number): number
}

export interface ServeMailboxDeps {
  readonly transport: Transport
  readonly hostname: string
  readonly lamport: LogicalClock
  readonly logger: Logger
}

/**
 * Answers one command, by its name and argument names here (`enableEvents`, `taskId`); undefined sends no reply, and what
 * it throws is sent as `{ error: message }`.
 */
export type CommandHandler = (command: string, args: Readonly<Record<string, unknown>>) => unknown

/**
 * Serves remote control for one node until closed. Commands start in the order in which they came and do not wait for
 * each other. A command that Celery does not know never reaches the handler; its sender gets an error. Like Celery's
 * worker it runs requests whose sender no longer waits.
 */
export function serveMailbox(deps: ServeMailboxDeps, handle: CommandHandler): Promise<Listening> {
  // kombu broadcasts requests with an empty routing key.
  return deps.transport.listen(controlExchange, { pattern: '' }, (message) => {
    const request = read(deps, message)
    if (request && isAddressed(request, deps.hostname)) void answer(deps, request, handle)
  })
}

function read(deps: ServeMailboxDeps, message: RawMessage): ControlRequest | undefined {
  try {
    const request = decodeRequest(message)
    deps.lamport.adjust(request.clock)
    return request
  } catch (error) {
    if (!(error instanceof TqError)) throw error
    deps.logger.warn(`A remote control message to ${deps.hostname} is ignored: ${error.message}`)
    return undefined
  }
}

async function answer(deps: ServeMailboxDeps, request: ControlRequest, handle: CommandHandler): Promise<void> {
  const { transport, hostname, lamport, logger } = deps
  let value: unknown
  try {
    // Python's text, as its callers print it.
    if (!isControlCommand(request.method)) value = { error: `KeyError('${request.method}')` }
    else value = await handle(request.method, request.args)
  } catch (error) {
    value = { error: error instanceof Error ? error.message : String(error) }
    logger.warn(`Remote control command ${request.method} failed on ${hostname}.`, { error })
  }
  if (!request.replyTo || value === undefined) return
  const reply = { ticket: request.ticket ?? '', hostname, clock: lamport.forward() }
  try {
    await transport.reply(request.replyTo, encode({ ...reply, value }))
  } catch (error) {
    logger.warn(`Could not answer ${request.method} from ${hostname}; its sender sees no reply from this node.`, {
      error,
    })
  }
}

// An answer that is not JSON becomes an error that its sender can read.
function encode(reply: Parameters<typeof encodeReply>[0]): RawMessage {
  try {
    return encodeReply(reply)
  } catch (error) {
    if (!(error instanceof TqError)) throw error
    return encodeReply({ ...reply, value: { error: error.message } })
  }
}
