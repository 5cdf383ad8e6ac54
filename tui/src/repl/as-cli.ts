import type { Evaluator } from './evaluator.ts'
import type { Answers } from './protocol.ts'
import { scan } from './scan.ts'
import { isTask } from './scope.ts'

/** The last `name.delay(…)` as a shell line. */
export async function asCli(lastCall: string, evaluator: Evaluator): Promise<Answers['asCli']> {
  const call = taskCall.exec(lastCall)
  if (call?.[1] === undefined)
    return { text: '', problem: 'No task has been called yet: call one with .delay(…) first.' }
  const open = call.index + call[0].length - 1
  const close = scan(lastCall).pairs.get(open)
  const inside = lastCall.slice(open + 1, close)
  const isDelay = /[.]delay\s*\($/u.test(call[0])
  const task = await evaluator.peek(call[1])
  const args = await evaluator.peek(isDelay ? `[${inside}]` : `[${inside}][0]`)
  if (task === undefined || !isTask(task.value) || args === undefined) {
    return {
      text: '',
      problem: `The arguments of '${lastCall}' cannot be worked out again without side effects.`,
    }
  }
  const json = JSON.stringify(args.value).replaceAll("'", `'\\''`)
  return { text: `npx tq call ${task.value.taskName} --args '${json}' --wait` }
}

/** `name.delay(` with the name as its first group. */
export const taskCall = /([\p{ID_Start}$_][\p{ID_Continue}$.]*)[.](?:delay|applyAsync)\s*\(/u
