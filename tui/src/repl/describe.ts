import type { Evaluator } from './evaluator.ts'
import { printPreview } from './print.ts'
import { describeTask, isTask, taskLine, type taskLines } from './scope.ts'

export interface DescribeOptions {
  readonly evaluator: Evaluator
  readonly tasks: ReturnType<typeof taskLines>
  readonly projectFolder: string
}

/** What `name?` answers. */
export async function describe(name: string, { evaluator, tasks, projectFolder }: DescribeOptions): Promise<string> {
  const peeked = await evaluator.peek(name)
  if (peeked !== undefined && isTask(peeked.value)) return describeTask(taskLine(peeked.value, projectFolder))
  const byName = tasks.find((task) => task.name === name)
  if (byName !== undefined) return describeTask(byName)
  if (peeked === undefined) return `Nothing here is called '${name}'. .tasks lists the tasks.`
  const value = peeked.value
  if (typeof value !== 'function') return `${name}: ${printPreview(value, 200)}`
  const source = Function.prototype.toString.call(value)
  return source.includes('[native code]')
    ? `${name}: native function of ${value.length} parameters`
    : (source.split('\n')[0] ?? '')
}
