import { ChannelError, ConnectionError, TqError } from '../core/errors.ts'

/** Reply codes of AMQP that a program looks at. Source: AMQP 0-9-1, section 1.2. */
export const replyCode = {
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
  notImplemented: 540,
} as const

/** The reply code with which the server closed the channel, undefined for other errors. */
export function codeOf(error: unknown): number | undefined {
  if (error instanceof TqError) return codeOf(error.cause)
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

/** Any error of amqplib in tq's words: what the server refused is a ChannelError, everything else a lost connection. */
export function amqpError(error: unknown, url: string): TqError {
  if (error instanceof TqError) return error
  const code = codeOf(error)
  const text = error instanceof Error ? error.message : String(error)
  // 320 is a server that shuts down; 5xx but NOT_IMPLEMENTED and NOT_ALLOWED end the connection, which comes back.
  const refused = code !== undefined && ((code >= 311 && code < 320) || (code >= 400 && code < 500) || code >= 530)
  if (refused || error instanceof RangeError || error instanceof TypeError) {
    return new ChannelError(explained(text, code, url), { cause: error })
  }
  return new ConnectionError(`The connection to RabbitMQ at ${url} was lost: ${text}.`, { cause: error })
}

/** Why `connect` failed, and what to try. */
export function unreachable(error: unknown, url: string): TqError {
  const text = error instanceof Error ? error.message : String(error)
  if (/ACCESS[_-]REFUSED/.test(text)) {
    return new ChannelError(`RabbitMQ at ${url} refuses this user or password. Correct the broker URL.`, {
      cause: error,
    })
  }
  // amqplib keeps the reason to itself, but the vhost is all that is asked for in this place.
  if (/Expected ConnectionOpenOk; got <ConnectionClose/.test(text)) {
    return new ChannelError(
      `RabbitMQ at ${url} has no such vhost, or this user may not use it. The vhost is what follows the first slash after the port; / is written as //. Create it (rabbitmqctl add_vhost, set_permissions) or correct the broker URL.`,
      { cause: error },
    )
  }
  return new ConnectionError(
    `Cannot reach RabbitMQ at ${url}: ${text || 'no answer'}. Is it running? Start it (rabbitmq-server) or correct the broker URL.`,
    { cause: error },
  )
}

const inequivalent =
  /inequivalent arg '([^']+)' for (queue|exchange) '([^']*)'.*?: received (?:the value )?(.+?) but current is (?:the value )?(.+?)"?$/

function explained(text: string, code: number | undefined, url: string): string {
  if (code === replyCode.preconditionFailed) {
    const [, argument = '', kind, name = '', ours = '', theirs = ''] = inequivalent.exec(text) ?? []
    if (kind !== undefined) {
      return (
        `The ${kind} '${name}' exists at ${url} with ${argument} ${valueOf(theirs)}, and this program declares it with ${valueOf(ours)}. ` +
        `Declare it the same way on all sides, or delete it first (rabbitmqctl delete_${kind} ${name}).`
      )
    }
  }
  return `RabbitMQ at ${url} refused: ${text.replace(/^(?:Operation failed: \w+; |Channel closed by server: )/, '')}.`
}

/** `'10' of type 'signedint'` -> `10`; `none` -> `nothing`. */
function valueOf(text: string): string {
  const [, value] = /^'([^']*)'/.exec(text) ?? []
  return value ?? (text === 'none' ? 'nothing' : text)
}
