import { DecodeError } from '../core/errors.ts'

/**
 * Reads back what `pythonRepr` and Python's own `repr` write for plain data: numbers, strings, None, True, False, lists,
 * tuples and dicts. Throws DecodeError for anything else, above all for a text that was cut (it ends in `...`).
 * Source of the grammar: Python's ast.literal_eval.
 */
export function readPythonLiteral(text: string): unknown {
  const reader = new LiteralReader(text)
  const value = reader.value(0)
  reader.end()
  return value
}

/** Positional and keyword arguments of a call as events show them. Throws DecodeError where they cannot be read back. */
export function readCallRepr(args: string, kwargs: string): CallArguments {
  const positional = args.trim() === '' ? [] : readPythonLiteral(args)
  const named = kwargs.trim() === '' ? {} : readPythonLiteral(kwargs)
  if (!Array.isArray(positional)) throw new DecodeError('Expected the arguments to be a tuple or a list.')
  if (typeof named !== 'object' || named === null || Array.isArray(named)) {
    throw new DecodeError('Expected the keyword arguments to be a dict.')
  }
  return { args: positional, kwargs: { ...named } }
}

export interface CallArguments {
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
}

const deepest = 100
const words: Readonly<Record<string, unknown>> = { None: null, True: true, False: false }
const simpleEscapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\u0007',
  '0': '\0',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
}
const codeLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

class LiteralReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): unknown {
    if (depth > deepest) throw this.#refuse()
    this.#space()
    const first = this.#text[this.#at] ?? ''
    if (first === "'" || first === '"') return this.#string(first)
    if (first === '[') return this.#members(']', depth).list
    if (first === '(') return this.#tuple(depth)
    if (first === '{') return this.#dict(depth)
    return this.#word()
  }

  end(): void {
    this.#space()
    if (this.#at < this.#text.length) throw this.#refuse()
  }

  // `(1)` is a number in brackets, `(1,)` a tuple.
  #tuple(depth: number): unknown {
    const { list, commas } = this.#members(')', depth)
    return list.length === 1 && commas === 0 ? list[0] : list
  }

  #members(close: string, depth: number): { readonly list: unknown[]; readonly commas: number } {
    const list: unknown[] = []
    let commas = 0
    this.#at++
    for (;;) {
      if (this.#take(close)) return { list, commas }
      if (list.length > commas) throw this.#refuse()
      list.push(this.value(depth + 1))
      if (this.#take(',')) commas++
    }
  }

  #dict(depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = []
    let isOpen = true
    this.#at++
    for (;;) {
      if (this.#take('}')) return Object.fromEntries(entries)
      if (!isOpen) throw this.#refuse()
      const key = this.value(depth + 1)
      if (!this.#take(':') || (typeof key !== 'string' && typeof key !== 'number')) throw this.#refuse()
      entries.push([`${key}`, this.value(depth + 1)])
      isOpen = this.#take(',')
    }
  }

  #string(quote: string): string {
    let text = ''
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const char = this.#text[at] ?? ''
      if (char === quote) {
        this.#at = at + 1
        return text
      }
      if (char !== '\\') {
        text += char
        continue
      }
      const kind = this.#text[++at] ?? ''
      const digits = codeLengths[kind]
      if (digits === undefined) {
        text += simpleEscapes[kind] ?? `\\${kind}`
        continue
      }
      const code = this.#text.slice(at + 1, at + 1 + digits)
      const point = Number.parseInt(code, 16)
      if (!/^[0-9a-f]+$/i.test(code) || code.length !== digits || point > 0x10ffff) throw this.#refuse()
      text += String.fromCodePoint(point)
      at += digits
    }
    throw this.#refuse()
  }

  #word(): unknown {
    const [word = ''] = /^[-+]?[\w.]+(?:(?<=[\d.]e)[-+]?\d+)?/i.exec(this.#text.slice(this.#at, this.#at + 400)) ?? []
    if (Object.hasOwn(words, word)) {
      this.#at += word.length
      return words[word]
    }
    if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(word)) throw this.#refuse()
    this.#at += word.length
    const number = Number(word)
    return /^[-+]?\d+$/.test(word) && !Number.isSafeInteger(number) ? BigInt(word) : number
  }

  #take(char: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #refuse(): DecodeError {
    const isCut = /(?:\.\.\.|…)\W*$/.test(this.#text)
    const why = isCut ? 'it was cut' : `stopped at character ${this.#at + 1}`
    return new DecodeError(`Cannot read back the arguments that the event shows: ${why}.`)
  }
}
