import type { Messages } from './messages.ts'
import { isFinal, type TaskResult } from './results.ts'
import { ageText, durationText, oneLine } from './text.ts'

const valueLength = 60

export type Tone = 'good' | 'bad' | 'odd' | 'busy'

/**
 * The same for an item of a lens line, on its own and without the age: `✗ FAIL Error: odd input · 3 ms`. What a lens would draw as an
 * icon is text.
 */
export function lensText(result: TaskResult, messages: Messages): string {
  const { text, tone } = inlineText(result, messages, result.atMs)
  const plain = text.replaceAll(/\$\([a-zA-Z0-9-]+(?:~[a-zA-Z]+)?\)/gu, (icon) => `\\${icon}`)
  return tone === 'bad' ? plain.replace(/ {2}(?=\S+ \S+$)/u, ' · ') : plain
}

export interface InlineText {
  readonly text: string
  readonly tone: Tone
}

/** The end of the line at a definition: ` => 4  ✓ 3 ms`. Every state but success is told by a sign and a word. */
export function inlineText(result: TaskResult, messages: Messages, nowMs: number): InlineText {
  const { state } = result
  const value = oneLine(result.text, valueLength)
  const time = result.runtimeMs === undefined ? '' : `  ${durationText(result.runtimeMs)}`
  // The first minute says nothing, so that the text stands still.
  const oldMs = nowMs - result.atMs
  const age = isFinal(state) && oldMs >= 60_000 ? ` · ${messages.ago(ageText(oldMs))}` : ''
  const notice = result.notice === undefined ? '' : ` · ${oneLine(result.notice, 100)}`
  switch (state) {
    case 'SUCCESS':
      return { text: `=> ${value}  ✓${time.slice(1)}${age}`, tone: 'good' }
    case 'FAILURE':
      return { text: `✗ FAIL ${value}${time}${age}`, tone: 'bad' }
    case 'ERROR':
      return { text: `✗ ERROR ${value}${notice}${age}`, tone: 'bad' }
    case 'RETRY':
      // `retries` counts those that lie behind; this one is on its way.
      return { text: `↻ RETRY ${(result.retries ?? 0) + 1}: ${value}${notice}`, tone: 'odd' }
    case 'REVOKED':
    case 'REJECTED':
    case 'IGNORED':
      return { text: `⊘ ${state}${value === '' ? '' : ` ${value}`}${age}`, tone: 'odd' }
    case 'STARTING':
      return { text: `… ${messages.starting}${notice}`, tone: 'busy' }
    case 'PENDING':
    case 'SENT':
    case 'RECEIVED':
      return { text: `… ${messages.waiting}${notice}`, tone: 'busy' }
    case 'STARTED':
      return { text: `… ${messages.running}${notice}`, tone: 'busy' }
    default:
      return { text: `… ${oneLine(state, 20)}${value === '' ? '' : ` ${value}`}${notice}`, tone: 'busy' }
  }
}
