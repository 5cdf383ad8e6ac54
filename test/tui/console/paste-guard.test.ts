import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { PasteGuard } from '../../../tui/src/ui/paste-guard.ts'
import { FakeInput } from '../helpers/fake-terminal.ts'

const start = '\u001b[200~'
const end = '\u001b[201~'

interface Guarded {
  readonly source: FakeInput
  /** Bytes that came through, once they had a turn to. */
  read(): Promise<string>
}

function guarded(): Guarded {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const source = new FakeInput()
  // The part of a terminal's input that the guard uses
  const guard = new PasteGuard(source as unknown as NodeJS.ReadStream)
  guard.setRawMode(true)
  return {
    source,
    read: async () => {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      return String(guard.read() ?? '')
    },
  }
}

describe('the input of a terminal', () => {
  test('keys and whole pastes go through as they are', async () => {
    const { source, read } = guarded()

    source.write(`jk${start}text${end}q`)
    vi.advanceTimersByTime(10_000)

    expect(await read()).toBe(`jk${start}text${end}q`)
  })

  test('a paste that does not end is ended after two seconds without a byte', async () => {
    const { source, read } = guarded()
    source.write(`${start}te`)
    await read()
    vi.advanceTimersByTime(1500)
    source.write('xt')
    expect(await read()).toBe('xt')

    vi.advanceTimersByTime(1500)
    expect(await read()).toBe('')
    vi.advanceTimersByTime(500)

    expect(await read()).toBe(end)
  })

  test('Ctrl-C ends it at once and is a key', async () => {
    const { source, read } = guarded()
    source.write(`${start}text`)
    await read()

    source.write('\u0003')

    expect(await read()).toBe(`${end}\u0003`)
  })

  test('marks may come in two parts', async () => {
    const { source, read } = guarded()
    source.write(start.slice(0, 3))
    await read()
    source.write(`${start.slice(3)}text${end.slice(0, 4)}`)
    await read()
    source.write(end.slice(4))
    await read()

    vi.advanceTimersByTime(10_000)

    expect(await read()).toBe('')
  })
})
