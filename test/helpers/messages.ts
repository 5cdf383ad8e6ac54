import type { RawMessage } from '../../runtime/src/core/message.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import type { Delivery, Outgoing } from '../../runtime/src/transports/transport.ts'

/** A message of tests: `text` is its correlation id, and its body unless another is given. */
export function rawMessage(text: string, changes: Partial<RawMessage> = {}): RawMessage {
  return {
    body: new TextEncoder().encode(text),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id: text, task: 'tests.add' },
    ...changes,
    properties: { correlationId: text, deliveryMode: 2, priority: 0, ...changes.properties },
  }
}

/** A message straight to a queue, through the anonymous exchange. */
export function toQueue(queue: string, text: string, changes: Partial<RawMessage> & { dueMs?: number } = {}): Outgoing {
  const { dueMs, ...message } = changes
  return { exchange: '', routingKey: queue, message: rawMessage(text, message), dueMs }
}

export function textOf(from: RawMessage | Delivery): string {
  return new TextDecoder().decode('raw' in from ? from.raw.body : from.body)
}

export function texts(from: readonly (RawMessage | Delivery)[]): string[] {
  return from.map(textOf)
}

/** `m0`, `m1`, … */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `m${index}`)
}

export function success(id: string, result: unknown = 4): TaskMeta {
  return { id, state: 'SUCCESS', result, doneAtMs: Date.UTC(2026, 0, 1) }
}

export function failure(id: string, message = 'boom'): TaskMeta {
  return {
    id,
    state: 'FAILURE',
    error: { type: 'ValueError', message: [message], module: 'builtins' },
    traceback: `Traceback (most recent call last):\nValueError: ${message}\n`,
    doneAtMs: Date.UTC(2026, 0, 1),
  }
}
