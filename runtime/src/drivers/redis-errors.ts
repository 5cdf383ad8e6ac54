import { ChannelError, ConnectionError } from '../core/errors.ts'

// Answers of a server that is there but cannot serve now: after a failover, while it loads its file, while it is full. Before
// version 7 an error inside a script stands at the end of a longer text, after a dash.
const passing =
  /(?:^|-)(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOREPLICAS|OOM|MISCONF|UNKILLABLE)\b/

const advice: Readonly<Record<string, string>> = {
  OOM: 'Its memory is full: it takes no new messages, and workers go on with those it has. Raise maxmemory or remove data',
  READONLY: 'It is a replica: name its primary, all servers of a failover list, or its sentinels',
  MISCONF: 'It cannot write to its disk, and refuses changes until it can',
  MOVED: 'It is a node of a cluster that does not hold these keys: use redis+cluster://',
  CROSSSLOT:
    'In a cluster all keys must be in one slot: use redis+cluster:// and a hash tag as globalKeyprefix, {shop}:',
}

/** What ioredis or the server said, as one of our two errors. `masked` names the server. */
export function redisError(error: unknown, masked: string): ConnectionError | ChannelError {
  if (error instanceof ConnectionError || error instanceof ChannelError) return error
  const text = error instanceof Error ? error.message : String(error)
  if (!isReplyError(error)) {
    const why = driverTexts.test(text) ? 'it broke while a command was on its way' : text
    return new ConnectionError(`The connection to Redis at ${masked} is down: ${why}.`, { cause: error })
  }
  const kind = passing.exec(text)?.[1]
  if (kind !== undefined) {
    return new ConnectionError(`Redis at ${masked} cannot serve at the moment: ${withAdvice(text, kind)}`, {
      cause: error,
    })
  }
  const refused = /^(NOAUTH|WRONGPASS|NOPERM|CROSSSLOT)\b/.exec(text)?.[1]
  const said = refused === undefined ? text : withAdvice(text, refused)
  return new ChannelError(`Redis at ${masked} refused a command: ${said}`, { cause: error })
}

function withAdvice(text: string, kind: string): string {
  const what = kind in advice ? advice[kind] : /^(NOAUTH|WRONGPASS|NOPERM)$/.test(kind) ? access : undefined
  return what === undefined ? text : `${text.replace(/\.?\s*(?:script: .*)?$/, '')}. ${what}`
}

// What ioredis says of commands whose connection went away, in words that speak of its own options.
const driverTexts = /max retries per request|isn't writeable|Connection is closed/

const access = 'Check user, password and ACL rules in the URL'

/** An error that the server itself sent, as opposed to one of the connection. */
export function isReplyError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
