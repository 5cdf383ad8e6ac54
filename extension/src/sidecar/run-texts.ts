import { type TaskMeta, TaskFailedError } from 'tq-runtime'
import { longestDetail, longestLine } from './texts.ts'
import { valueBlock, valueLine } from './values.ts'

/** A value on one line and in full, not yet cleaned. */
export function valueTexts(value: unknown): { readonly text: string; readonly detail: string } {
  return { text: valueLine(value, longestLine), detail: valueBlock(value, longestDetail) }
}

/** What a task that was retried, revoked or has failed says, `Type: message`. */
export function errorText({ id, error, state }: TaskMeta): string {
  if (state === 'REVOKED') {
    const [reason] = error?.message ?? []
    return typeof reason === 'string' ? reason : 'revoked'
  }
  return error ? new TaskFailedError(id, error, undefined).message : ''
}
