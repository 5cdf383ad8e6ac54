import { expect, test } from 'vitest'
import { type Ending, settlementOf, type SettlementPolicy } from '../../runtime/src/core/outcome.ts'

const failure = {
  stored: { type: 'Error', message: ['boom'], module: 'ecmascript' },
  text: 'Error: boom',
  traceback: 'Error: boom',
}
const success: Ending = { kind: 'success', value: 4 }
const retry: Ending = { kind: 'retry', etaMs: 1, cause: failure, changes: {} }
const failed: Ending = { kind: 'failure', failure }
const timeout: Ending = { kind: 'timeout', limitSeconds: 1, failure }
const workerLost: Ending = { kind: 'workerLost', failure }
const ignore: Ending = { kind: 'ignore' }
const requeue: Ending = { kind: 'reject', requeue: true, reason: 'later' }
const drop: Ending = { kind: 'reject', requeue: false, reason: 'never' }
const revoked: Ending = { kind: 'revoked', reason: 'revoked' }
const expired: Ending = { kind: 'revoked', reason: 'expired' }
const terminated: Ending = { kind: 'revoked', reason: 'terminated', signal: 'SIGTERM' }

/** F: acksOnFailure, T: acksOnTimeout, L: rejectOnWorkerLost. A policy is the letters that are on. */
const policy = (letters: string): SettlementPolicy => ({
  acksOnFailure: letters.includes('F'),
  acksOnTimeout: letters.includes('T'),
  rejectOnWorkerLost: letters.includes('L'),
})
const policies = ['', 'F', 'T', 'L', 'FT', 'FL', 'TL', 'FTL'] as const
const without = (letter: string) => policies.filter((one) => !one.includes(letter))
const having = (letter: string) => policies.filter((one) => one.includes(letter))

test.each([
  ['success', success, policies, 'SUCCESS', 'ack', ['task-succeeded'], 'callbacks'],
  ['a retry', retry, policies, 'RETRY', 'ack', ['task-retried'], 'retry'],
  ['a failure', failed, having('F'), 'FAILURE', 'ack', ['task-failed'], 'errbacks'],
  ['a failure', failed, without('F'), 'FAILURE', 'drop', ['task-failed'], 'errbacks'],
  ['a hard timeout', timeout, having('T'), 'FAILURE', 'ack', ['task-failed'], 'errbacks'],
  ['a hard timeout', timeout, without('T'), 'FAILURE', 'requeue', ['task-failed'], 'errbacks'],
  ['a lost worker', workerLost, having('L'), undefined, 'requeue', [], 'nothing'],
  ['a lost worker', workerLost, ['F', 'FT'] as const, 'FAILURE', 'ack', ['task-failed'], 'errbacks'],
  ['a lost worker', workerLost, ['', 'T'] as const, 'FAILURE', 'drop', ['task-failed'], 'errbacks'],
  ['ignore', ignore, policies, undefined, 'ack', [], 'nothing'],
  ['reject with requeue', requeue, policies, undefined, 'requeue', ['task-rejected'], 'nothing'],
  ['reject without', drop, policies, 'FAILURE', 'drop', ['task-failed', 'task-rejected'], 'nothing'],
  ['revoked', revoked, policies, 'REVOKED', 'ack', ['task-revoked'], 'nothing'],
  ['expired', expired, policies, 'REVOKED', 'ack', ['task-revoked'], 'nothing'],
  ['terminated', terminated, policies, 'REVOKED', 'ack', ['task-revoked'], 'nothing'],
] as const)('%s is settled by its row of the table (%#)', (_, ending, under, store, late, events, next) => {
  for (const letters of under) {
    expect(settlementOf(ending, policy(letters)), `policy '${letters}'`).toEqual({ store, late, events, next })
  }
})
