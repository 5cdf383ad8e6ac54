import type { Clean } from './text.ts'

declare const paintedMark: unique symbol

/** Clean text with styles of ours: what a component may put on the screen. */
export type Painted = string & { readonly [paintedMark]: true }

export type Style = keyof typeof codes

/** How this terminal is drawn to. */
export interface Look {
  readonly colour: boolean
  readonly glyphs: Glyphs
  /** Absolute times in UTC instead of local time. */
  readonly utc: boolean
}

export interface Glyphs {
  readonly ellipsis: string
  readonly bar: string
  readonly line: string
  readonly dot: string
  readonly down: string
  readonly up: string
  readonly live: string
  readonly stale: string
  readonly states: Readonly<Record<string, string>>
}

// Blue and yellow carry the meaning, not green and red; only the 16 colours. Bold, dim and inverse also without colour.
const codes = {
  plain: '',
  bold: '1',
  dim: '2',
  inverse: '7',
  ok: '94',
  bad: '33;1',
  running: '36',
  again: '35',
  stale: '2',
  warning: '33',
  key: '1',
} as const

const colourless: Readonly<Record<Style, string>> = {
  ...codes,
  ok: '',
  bad: '1',
  running: '',
  again: '',
  warning: '1',
}

/** The text in a style; nested styles are not kept. */
export function paint(text: Clean, style: Style, look: Look): Painted {
  const code = look.colour ? codes[style] : colourless[style]
  return (code === '' || text === '' ? text : `\u001b[${code}m${text}\u001b[0m`) as Painted
}

/** Painted parts one after the other. */
export function join(...parts: readonly Painted[]): Painted {
  return parts.join('') as Painted
}

export function styleOfState(state: string): Style {
  switch (state) {
    case 'SUCCESS':
      return 'ok'
    case 'FAILURE':
    case 'REJECTED':
      return 'bad'
    case 'STARTED':
      return 'running'
    case 'RETRY':
      return 'again'
    case 'REVOKED':
    case 'PENDING':
      return 'dim'
    default:
      return 'plain'
  }
}

export const unicodeGlyphs: Glyphs = {
  ellipsis: '…',
  bar: '│',
  line: '─',
  dot: '·',
  down: '▼',
  up: '▲',
  live: '●',
  stale: '○',
  states: {
    SUCCESS: '✓ OK',
    FAILURE: '✗ FAIL',
    STARTED: '▶ RUN',
    RECEIVED: '… HELD',
    PENDING: '… WAIT',
    RETRY: '↻ RETRY',
    REVOKED: '⊘ REVOKED',
    REJECTED: '⊘ REJECT',
  },
}

/** For terminals that draw nothing else. */
export const asciiGlyphs: Glyphs = {
  ellipsis: '~',
  bar: '|',
  line: '-',
  dot: '-',
  down: 'v',
  up: '^',
  live: '*',
  stale: 'o',
  states: {
    SUCCESS: '+ OK',
    FAILURE: 'x FAIL',
    STARTED: '> RUN',
    RECEIVED: '. HELD',
    PENDING: '. WAIT',
    RETRY: '~ RETRY',
    REVOKED: '- REVOKED',
    REJECTED: '- REJECT',
  },
}

/** What the environment says, unless a flag does. `dumb` and `linux` draw ASCII only. */
export function lookOf(
  env: Readonly<Record<string, string | undefined>>,
  flags: {
    readonly ascii?: boolean | undefined
    readonly color?: boolean | undefined
    readonly utc?: boolean | undefined
  },
): Look {
  const { NO_COLOR = '', FORCE_COLOR, TERM = '' } = env
  const byEnv = FORCE_COLOR === undefined ? NO_COLOR === '' && TERM !== 'dumb' : FORCE_COLOR !== '0'
  const plain = flags.ascii ?? (TERM === 'dumb' || TERM === 'linux')
  return {
    colour: flags.color === false ? false : byEnv,
    glyphs: plain ? asciiGlyphs : unicodeGlyphs,
    utc: flags.utc ?? false,
  }
}
