import { ChannelError, ConnectionError } from '../core/errors.ts'

// Answers of a server that is there but cannot serve now: after a failover, while it loads its file, while it is full.
const passing = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|OOM|UNKILLABLE)\b/

/** What ioredis or the server said, as one of our two errors. `masked` names the server. */
export function redisError(error: unknown, masked: string): ConnectionError | ChannelError {
  if (error instanceof ConnectionError || error instanceof ChannelError) return error
  const text = error instanceof Error ? error.message : String(error)
  if (!isReplyError(error)) {
    return new ConnectionError(`The connection to Redis at ${masked} is down: ${text}`, { cause: error })
  }
  if (passing.test(text)) {
    return new ConnectionError(`Redis at ${masked} cannot serve at the moment: ${text}`, { cause: error })
  }
  const advice = /^(NOAUTH|WRONGPASS|NOPERM)\b/.test(text) ? '. Check user, password and ACL rules in the URL' : ''
  return new ChannelError(`Redis at ${masked} refused a command: ${text}${advice}`, { cause: error })
}

/** An error that the server itself sent, as opposed to one of the connection. */
export function isReplyError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
