import stringWidth from 'string-width'
import { cleanOutput } from './clean.ts'
import { paintWhole } from './paint.ts'

export interface PrinterPorts {
  /** Text for the scrollback, above the editor; ends with a newline. */
  readonly print: (text: string) => void
  readonly size: () => { readonly columns: number; readonly rows: number }
  readonly colours: boolean
}

export interface EchoOptions {
  readonly prompt: string
  readonly known: ReadonlySet<string>
}

/** What goes above the editor: inputs, values, notes, errors, and what user code writes, in whole lines. */
export class Printer {
  readonly #ports: PrinterPorts
  #partial = { out: '', err: '' }

  constructor(ports: PrinterPorts) {
    this.#ports = ports
  }

  /** An input as it was typed. */
  echo(text: string, { prompt, known }: EchoOptions): void {
    const { columns } = this.#ports.size()
    this.#ports.print(`${paintWhole(text, { prompt, columns, colours: this.#ports.colours, known })}\n`)
  }

  value(text: string): void {
    this.#ports.print(`${cleanOutput(text)}\n`)
  }

  note(text: string): void {
    this.#ports.print(`${this.#dim(cleanOutput(text))}\n`)
  }

  error(text: string): void {
    const [first = '', ...rest] = cleanOutput(text).split('\n')
    const red = this.#ports.colours ? `\u001b[31m${first}\u001b[0m` : first
    this.#ports.print(`${[red, ...rest].join('\n')}\n`)
  }

  /** The value, and how it came about at the right of its last line where there is room. */
  followed(text: string, note: string): void {
    const shown = cleanOutput(text)
    const last = stringWidth(shown.split('\n').at(-1) ?? '')
    const column = Math.max(36, last + 2)
    const fits = column + stringWidth(note) < this.#ports.size().columns
    this.#ports.print(`${shown}${fits ? ' '.repeat(column - last) : '\n'}${this.#dim(note)}\n`)
  }

  /** What user code writes, line by line. */
  output(stream: 'out' | 'err', text: string): void {
    const lines = (this.#partial[stream] + text).split('\n')
    this.#partial[stream] = lines.pop() ?? ''
    if (lines.length > 0) this.value(lines.join('\n'))
  }

  /** Lines of output that were not ended, before the value that comes after them. */
  flush(): void {
    for (const stream of ['out', 'err'] as const) {
      if (this.#partial[stream] !== '') this.value(this.#partial[stream])
      this.#partial[stream] = ''
    }
  }

  #dim(text: string): string {
    return this.#ports.colours ? `\u001b[2m${text}\u001b[0m` : text
  }
}
