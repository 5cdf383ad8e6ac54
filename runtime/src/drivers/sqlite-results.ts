import type { StorePlan } from '../backends/result-backend.ts'
import { standingRank, stateRank } from '../core/states.ts'
import type { Transaction } from './sqlite-commit.ts'

/** Stands for "never" in a column that is compared with the time. */
const never = 8_640_000_000_000_000

export function expiryMs(nowMs: number, ttlMs: number): number {
  return ttlMs === 0 ? never : nowMs + ttlMs
}

/** Stores one result unless a more final state stands there; each change gets a number that watchers read on from. */
export function storeResult(
  tx: Transaction,
  plan: Pick<StorePlan, 'meta' | 'key' | 'text' | 'ttlMs'>,
  nowMs: number,
): void {
  const rank = stateRank(plan.meta.state)
  const standing = standingRank(plan.meta.state)
  // Separate statements: an INSERT that selects from its own table goes through a temporary one, at six times the cost.
  if (!add(tx, plan, standing, nowMs)) {
    const replaced = tx.run(
      'delete from result where id=?1 and ((rank<=?2 and rank<2) or expires<=?3)',
      plan.key,
      rank,
      nowMs,
    )
    if (replaced === 0) return
    add(tx, plan, standing, nowMs)
  }
  tx.ring('result')
}

function add(tx: Transaction, plan: Pick<StorePlan, 'key' | 'text' | 'ttlMs'>, rank: number, nowMs: number): boolean {
  const sql = 'insert into result(id, rank, expires, meta) values(?,?,?,?) on conflict(id) do nothing'
  return tx.run(sql, plan.key, rank, expiryMs(nowMs, plan.ttlMs), plan.text) === 1
}
