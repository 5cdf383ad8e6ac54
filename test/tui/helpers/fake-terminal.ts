import { PassThrough, Writable } from 'node:stream'

/** Standard input that passes for a terminal's. */
export class FakeInput extends PassThrough {
  readonly isTTY = true
  isRaw = false

  setRawMode(raw: boolean): this {
    this.isRaw = raw
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

/** Standard output of a terminal of that size; what is written goes to `onData`. The size may be changed. */
export class FakeOutput extends Writable {
  readonly isTTY = true
  columns: number
  rows: number
  readonly #onData: (data: string) => void

  constructor(columns: number, rows: number, onData: (data: string) => void) {
    super({ decodeStrings: false })
    this.columns = columns
    this.rows = rows
    this.#onData = onData
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.#onData(chunk.toString())
    done()
  }
}
