import type { Message } from '../core/message.ts'

/** What is to be done with a message that was decoded. */
export type Verdict =
  | { readonly kind: 'run' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'expired' }
  /** Due within moments: kept here until then. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Back to the broker until its ETA. */
  | { readonly kind: 'park'; readonly untilMs: number }

export interface GateFacts {
  readonly nowMs: number
  readonly isRegistered: boolean
  readonly isRevoked: boolean
  /** An ETA nearer than this is waited for here. */
  readonly waitAtMostMs: number
}

/**
 * The decision on a received message, in Celery's order: unknown, expired, revoked, ETA.
 * Source: celery/worker/strategy.py and celery/worker/request.py, Request.revoked (Celery 5.6.3).
 */
export function gate(message: Message, facts: GateFacts): Verdict {
  if (!facts.isRegistered) return { kind: 'unknown' }
  if (hasExpired(message, facts.nowMs)) return { kind: 'expired' }
  if (facts.isRevoked) return { kind: 'revoked' }
  if (message.etaMs === undefined || message.etaMs <= facts.nowMs) return { kind: 'run' }
  const untilMs = message.etaMs
  return { kind: untilMs - facts.nowMs <= facts.waitAtMostMs ? 'wait' : 'park', untilMs }
}

/** Asked again when the run begins. Source: celery/worker/request.py, maybe_expire. */
export function hasExpired({ expiresMs }: Message, nowMs: number): boolean {
  return expiresMs !== undefined && nowMs > expiresMs
}
