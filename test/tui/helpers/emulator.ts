import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes'
import headless from '@xterm/headless'

/** A terminal in memory: bytes in, cells out. */
export class Emulator {
  readonly #terminal: InstanceType<typeof headless.Terminal>

  constructor(columns: number, rows: number, options: { readonly convertEol?: boolean } = {}) {
    this.#terminal = new headless.Terminal({
      cols: columns,
      rows,
      allowProposedApi: true,
      convertEol: options.convertEol ?? false,
    })
    this.#terminal.loadAddon(new UnicodeGraphemesAddon())
    this.#terminal.unicode.activeVersion = '15-graphemes'
  }

  /** Resolves when the bytes have been drawn. */
  write(data: string): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(data, resolve))
  }

  /** What the terminal answers to questions of the program, e.g. about its cursor. */
  onAnswer(listener: (data: string) => void): void {
    this.#terminal.onData(listener)
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows)
  }

  /** Whether the alternate screen is shown. */
  isAlternate(): boolean {
    return this.#terminal.buffer.active.type === 'alternate'
  }

  /** Scrollback and screen, trimmed at the right and at the end. */
  text(): string {
    const buffer = this.#terminal.buffer.active
    const lines: string[] = []
    for (let y = 0; y < buffer.length; y++) lines.push(buffer.getLine(y)?.translateToString(true) ?? '')
    return lines.join('\n').trimEnd()
  }

  lines(): readonly string[] {
    return this.text().split('\n')
  }

  cursor(): { readonly x: number; readonly y: number } {
    const buffer = this.#terminal.buffer.active
    return { x: buffer.cursorX, y: buffer.baseY + buffer.cursorY }
  }

  /** One letter per style and cell of a line: u underlined, b bold, d dim, i inverse, a digit for a colour, . for none. */
  styles(y: number): string {
    const line = this.#terminal.buffer.active.getLine(y)
    let text = ''
    for (let x = 0; x < this.#terminal.cols; x++) {
      const cell = line?.getCell(x)
      if (cell === undefined || cell.getWidth() === 0) continue
      if (cell.isUnderline() !== 0) text += 'u'
      else if (cell.isInverse() !== 0) text += 'i'
      else if (cell.isBold() !== 0) text += 'b'
      else if (cell.isDim() !== 0) text += 'd'
      else text += cell.isFgDefault() ? '.' : String(cell.getFgColor() % 10)
    }
    return text.replace(/\.+$/u, '')
  }
}
