import { PassThrough } from 'node:stream'

const pasteStart = '\u001b[200~'
const pasteEnd = '\u001b[201~'
const ctrlC = '\u0003'
/** A terminal sends a paste in one go: after so long without a byte its end will not come. */
const patienceMs = 2000

/**
 * Standard input with an end to every paste. A paste that begins and never ends (a connection that was cut, a hostile program) would
 * take all further keys for its text, Ctrl-C among them: here Ctrl-C ends it, and so do two seconds of silence.
 */
export class PasteGuard extends PassThrough {
  readonly isTTY = true
  readonly #source: NodeJS.ReadStream
  readonly #onData: (chunk: Buffer | string) => void
  #isOpen = false
  #tail = ''
  #timer: NodeJS.Timeout | undefined
  isRaw = false

  constructor(source: NodeJS.ReadStream) {
    super()
    this.#source = source
    this.#onData = (chunk) => this.#take(chunk.toString())
    source.once('end', () => this.end())
  }

  /** As the terminal's own; while it is not raw, nothing is read: the terminal may be lent to another program. */
  setRawMode(raw: boolean): this {
    if (raw !== this.isRaw) {
      this.isRaw = raw
      if (raw) this.#source.setEncoding('utf8').on('data', this.#onData).resume()
      else this.#source.off('data', this.#onData).pause()
    }
    this.#source.setRawMode(raw)
    return this
  }

  ref(): this {
    this.#source.ref()
    return this
  }

  unref(): this {
    this.#source.unref()
    return this
  }

  #take(chunk: string): void {
    clearTimeout(this.#timer)
    if (this.#isOpen && chunk === ctrlC) {
      this.#isOpen = false
      this.#tail = ''
      this.write(pasteEnd + ctrlC)
      return
    }
    // A mark may come in two parts.
    const seen = this.#tail + chunk
    const start = seen.lastIndexOf(pasteStart)
    const end = seen.lastIndexOf(pasteEnd)
    if (start !== end) this.#isOpen = start > end
    this.#tail = seen.slice(-(pasteStart.length - 1))
    this.write(chunk)
    if (this.#isOpen) this.#timer = setTimeout(() => this.#close(), patienceMs).unref()
  }

  #close(): void {
    this.#isOpen = false
    this.#tail = ''
    this.write(pasteEnd)
  }
}

/** The input of a terminal with its pastes guarded. */
export function guardPastes(stdin: NodeJS.ReadStream): NodeJS.ReadStream {
  // It has the part of a terminal's input that Ink uses: reading, raw mode, ref and unref.
  return new PasteGuard(stdin) as unknown as NodeJS.ReadStream
}
