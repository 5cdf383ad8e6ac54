import type { TqApp } from '../app/tq.ts'
import type { Outcome } from '../core/outcome.ts'
import type { JobStoring } from '../pools/pool.ts'
import { pythonRepr } from '../wire/python-text.ts'

const largeBytes = 1_048_576

/**
 * In a child: stores a value that is large by itself, so that it crosses neither to the worker nor through its event loop, and tells that.
 * Where it cannot be stored here the outcome stays as it is, and the worker does what it does with any. The price: result and
 * acknowledgement are two steps, a crash between them has the task run again, and its first result stands.
 */
export async function storeIfLarge(app: TqApp, outcome: Outcome, storing: JobStoring | undefined): Promise<Outcome> {
  if (!storing || outcome.kind !== 'success') return outcome
  const { value, children = [] } = outcome
  const { meta, ttlMs, replyTo } = storing
  try {
    if (!isLarge(value)) return outcome
    const backend = await app.resultBackend()
    await backend.store([{ ...meta, children, result: value, doneAtMs: app.clock.now() }], { ttlMs, replyTo })
  } catch {
    return outcome
  }
  return { kind: 'success', value: null, stored: { repr: pythonRepr(value) }, children: outcome.children }
}

/** More than 1 MB, about, once it is text. Looks no further than needed; what is shared or goes in circles counts each time. */
function isLarge(value: unknown): boolean {
  let left = largeBytes
  const open: unknown[] = [value]
  while (open.length > 0) {
    const one = open.pop()
    left -= 8
    if (typeof one === 'string') left -= one.length
    else if (ArrayBuffer.isView(one)) left -= one.byteLength
    else if (Array.isArray(one)) {
      if (one.length * 8 > left) return true
      for (const part of one) open.push(part)
    } else if (typeof one === 'object' && one !== null) {
      for (const [key, part] of Object.entries(one)) {
        left -= key.length
        open.push(part)
      }
    }
    if (left < 0) return true
  }
  return false
}
