import { emitKeypressEvents, type Key } from 'node:readline'
import { systemClock } from 'tq-runtime'
import { assemble, type ConsoleOptions } from './console-parts.ts'
import { Narrator } from './narrator.ts'
import type { KeyName, KeyPress } from './repl/keys.ts'
import { clipboard } from './ui/clipboard.ts'
import { guard, stopJob } from './ui/guard.ts'
import { Lending } from './ui/lend.ts'

interface Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
}

/** The console for a screen reader: the same keys, and lines that are added instead of a screen. Resolves with the exit code. */
export async function runLinear(
  options: ConsoleOptions,
  { stdin, stdout }: Terminal = { stdin: process.stdin, stdout: process.stdout },
): Promise<number> {
  const exit = Promise.withResolvers<number>()
  const lending = new Lending()
  const restore = (): void => {
    stdin.setRawMode(false)
    stdout.write('\u001b[?2004l')
  }
  const release = guard(
    (code, message) => {
      restore()
      if (message !== undefined) process.stderr.write(`${message}\n`)
      process.exit(code)
    },
    () => lending.isLent,
  )
  const begin = (): void => {
    stdin.setRawMode(true)
    stdin.resume()
    stdout.write('\u001b[?2004h')
  }
  const lend = (work: () => Promise<void>): Promise<void> =>
    lending.during(async () => {
      restore()
      stdin.pause()
      try {
        await work()
      } finally {
        begin()
      }
    })
  const { store, session, controller, close } = assemble({
    ...options,
    // Wide and high: nothing is cut for a screen that is not there.
    size: { columns: 99, rows: 60 },
    terminal: {
      exit: exit.resolve,
      lend,
      suspend: async () => {
        if (process.platform !== 'win32') await lend(stopJob)
      },
      redraw: () => Promise.resolve(),
      copy: (text) => stdout.write(clipboard(text)),
      openRepl: undefined,
    },
  })
  const narrator = new Narrator(store, () => controller.place(), options.look.utc)
  let isTyping = false
  const say = (lines: readonly string[]): void => {
    if (lines.length > 0) stdout.write(`${lines.join('\r\n')}\r\n`)
  }
  /** The line that is typed is the only one that is written over. */
  const settle = (): void => {
    const { prompt } = store.get().ui
    if (isTyping && prompt === undefined) stdout.write('\r\n')
    isTyping = prompt !== undefined
    say(narrator.afterKey())
    if (prompt) stdout.write(`\r${prompt.label}${prompt.line.text}\u001b[K`)
  }
  const stopReading = readKeys(stdin, {
    onKey: (press) => {
      controller.key(press)
      settle()
    },
    onPaste: (text) => {
      controller.paste(text)
      settle()
    },
  })
  say(narrator.greeting())
  begin()
  const started = session.start()
  void started.then(() => options.onReady?.(session.log.note))
  const tick = systemClock.interval(1000, () => {
    store.dispatch({ on: 'tick', nowMs: systemClock.now() })
    if (!isTyping) say(narrator.afterWhile())
  })
  const code = await exit.promise
  tick.cancel()
  stopReading()
  restore()
  stdin.pause()
  await close()
  release()
  return code
}

interface KeyHandlers {
  readonly onKey: (press: KeyPress) => void
  readonly onPaste: (text: string) => void
}

/** Keys as Node reads them, with pastes apart; ended by the function it returns. */
function readKeys(stdin: NodeJS.ReadStream, { onKey, onPaste }: KeyHandlers): () => void {
  let pasted: string | undefined
  const onKeypress = (text: string | undefined, key: Key): void => {
    const isCtrlC = key.ctrl === true && key.name === 'c'
    if (key.name === 'paste-start') pasted = ''
    else if (pasted === undefined) {
      // An Escape that is followed quickly comes as a meta key: here it is two keys.
      if (key.meta === true && key.name !== 'escape') onKey({ ...noModifiers, input: '', name: 'escape' })
      onKey(pressOf(text, key))
    } else if (key.name === 'paste-end' || isCtrlC) {
      // Ctrl-C is the way out of a paste that has no end.
      if (!isCtrlC) onPaste(pasted)
      pasted = undefined
    } else pasted += text ?? key.sequence ?? ''
  }
  emitKeypressEvents(stdin)
  stdin.on('keypress', onKeypress)
  return () => stdin.off('keypress', onKeypress)
}

const names: Readonly<Record<string, KeyName>> = {
  up: 'up',
  down: 'down',
  left: 'left',
  right: 'right',
  home: 'home',
  end: 'end',
  pageup: 'pageUp',
  pagedown: 'pageDown',
  return: 'enter',
  enter: 'enter',
  escape: 'escape',
  tab: 'tab',
  backspace: 'backspace',
  delete: 'delete',
}

const noModifiers = { ctrl: false, meta: false, shift: false }

function pressOf(text: string | undefined, key: Key): KeyPress {
  const modifiers = { ...noModifiers, ctrl: key.ctrl ?? false, shift: key.shift ?? false }
  const name = names[key.name ?? '']
  if (name !== undefined) return { input: '', name, ...modifiers }
  return { input: modifiers.ctrl ? (key.name ?? '') : (text ?? key.sequence?.slice(1) ?? ''), ...modifiers }
}
