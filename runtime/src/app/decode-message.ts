import type { Message, RawMessage } from '../core/message.ts'
import { chainTail, splitChain } from '../wire/chain-tail.ts'
import { dictsToSignatures } from '../wire/canvas-dict.ts'
import { compressionOf, decodeTask } from '../wire/task-protocol.ts'
import type { TqApp } from './tq.ts'

/**
 * The task call in a message. Of a long chain the step that comes next is read, the rest when somebody asks for it: it is the last
 * of the message's `chain`, as one signature. Throws DecodeError, ContentRefusedError or ProtocolError.
 */
export function decodeMessage({ serializers, zone }: Pick<TqApp, 'serializers' | 'zone'>, raw: RawMessage): Message {
  const { headers, properties, contentType, contentEncoding } = raw
  const compression = compressionOf(headers)
  const isPlain = compression === undefined && contentType === 'application/json'
  const split = isPlain ? splitChain(raw.body, headers) : undefined
  if (!split) return decodeTask({ headers, properties, body: serializers.decode(raw, compression) }, zone)
  const decode = (body: Uint8Array): unknown => serializers.decode({ body, contentType, contentEncoding })
  const message = decodeTask({ headers, properties, body: decode(split.body) }, zone)
  const tail = chainTail(split.tail, (list) => dictsToSignatures(decode(list), 'chain').toReversed())
  return { ...message, chain: [...message.chain, tail] }
}
