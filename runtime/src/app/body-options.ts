import { type SignatureData, withOptions } from '../core/signature.ts'
import type { CallOptions } from './call-options.ts'

/** What is said of a chord is said of its body, too; when it may start is for its header. Source: celery/canvas.py, _chord.run. */
export function withBodyOptions(signature: SignatureData, options: CallOptions): SignatureData {
  const { body } = signature
  if (signature.kind !== 'chord' || !body) return signature
  const { queue, exchange, routingKey, priority, serializer, compression, headers } = options
  const { shadow, timeLimit, softTimeLimit, ignoreResult } = options
  const where = { queue, exchange, routingKey, priority, serializer, compression, headers }
  const said = Object.entries({ ...where, shadow, timeLimit, softTimeLimit, ignoreResult })
  return { ...signature, body: withOptions(body, Object.fromEntries(said.filter(([, value]) => value !== undefined))) }
}
