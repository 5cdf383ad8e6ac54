import type { Expr, FunctionInfo } from './file-summary.ts'
import { isLibrary, libraryOrigin, Stars, type Summaries } from './stars.ts'

/** What an expression turned out to be. */
export type Value =
  | { readonly t: 'constant'; readonly v: string | number | boolean | null; readonly mutable?: true | undefined }
  | { readonly t: 'object'; readonly file: string; readonly entries: Extract<Expr, { k: 'object' }>['entries'] }
  | { readonly t: 'array'; readonly file: string; readonly items: readonly Expr[] }
  | { readonly t: 'function'; readonly fn: FunctionInfo }
  | { readonly t: 'class'; readonly file: string; readonly expr: Extract<Expr, { k: 'class' }> }
  | { readonly t: 'module'; readonly file: string }
  /** An export of the library; `*` is the library itself. */
  | { readonly t: 'library'; readonly name: string }
  | { readonly t: 'global'; readonly name: string }
  | { readonly t: 'app'; readonly app: AppValue }
  /** A method of an app, bound or not; undefined is an app that comes as a parameter. */
  | { readonly t: 'method'; readonly app: AppValue | undefined; readonly name: string }
  | { readonly t: 'task'; readonly file: string; readonly index: number }
  /** Known by type only. */
  | { readonly t: 'some'; readonly what: 'app' | 'task' }
  | { readonly t: 'unknown' }

export interface AppValue {
  /** `file#binding`. */
  readonly id: string
  readonly file: string
  readonly main: string | undefined
  readonly explicitNames: boolean
}

interface Known {
  readonly value: Value
  /** Files, and other keys, on which it rests. */
  readonly files: ReadonlySet<string>
  forget(): void
}

const unknown: Value = { t: 'unknown' }
// Source is anybody's: neither a tower of references nor a text that doubles itself may stop the scanner.
const deepest = 300
const mostSteps = 20_000
const longestText = 1000
const appMethods: ReadonlySet<string> = new Set(['task', 'registerTask', 'external', 'sendTask', 'signature'])
const appMakers: ReadonlySet<string> = new Set(['Tq', 'TqApp'])

/**
 * Evaluates expressions across files: constants, what is an app, what is a task. Pure but for its memory, which `forget` clears
 * file by file. Stops at cycles, and at `export *` of one name from two files, which JavaScript calls ambiguous.
 */
export class Evaluator {
  readonly #of: Summaries
  readonly #stars: Stars
  readonly #memory = new Map<string, Map<string, Known>>()
  /** What rests on a key. */
  readonly #resting = new Map<string, Set<Known>>()
  readonly #busy = new Set<string>()
  #files: Set<string> | undefined
  #depth = 0
  #spent = 0
  #cycles = 0

  constructor(summaries: Summaries) {
    this.#of = summaries
    this.#stars = new Stars(summaries)
  }

  /** These keys, and those of files that hand on what has changed. */
  widened(keys: ReadonlySet<string>): ReadonlySet<string> {
    return this.#stars.widened(keys)
  }

  /** Drops every answer that rests on one of these keys, or all. Keys as `widened` gives them. */
  forget(keys: ReadonlySet<string> | undefined): void {
    this.#stars.forget(keys)
    if (keys) {
      for (const key of keys) for (const known of this.#resting.get(key) ?? []) known.forget()
      return
    }
    this.#memory.clear()
    this.#resting.clear()
  }

  /** Evaluates on behalf of a file; every file that the answer rests on is added to `files`. */
  run(file: string, expr: Expr, files: Set<string>): Value {
    const before = this.#files
    this.#files = files
    try {
      return this.#eval(file, expr)
    } finally {
      this.#files = before
    }
  }

  /** One property of an object, as far as it is known. */
  property(value: Value, name: string, files: Set<string>): Value {
    const before = this.#files
    this.#files = files
    try {
      return this.#property(value, name)
    } finally {
      this.#files = before
    }
  }

  #eval(file: string, expr: Expr): Value {
    if (this.#depth === 0) this.#spent = 0
    if (this.#depth >= deepest || this.#spent++ > mostSteps) return unknown
    this.#depth++
    try {
      return this.#evalOne(file, expr)
    } finally {
      this.#depth--
    }
  }

  #evalOne(file: string, expr: Expr): Value {
    switch (expr.k) {
      case 'literal':
        return { t: 'constant', v: expr.v }
      case 'template':
        return this.#join(file, expr.parts)
      case 'add':
        return this.#add(this.#eval(file, expr.left), this.#eval(file, expr.right))
      case 'ref':
        return this.#binding(file, expr.to)
      case 'prop':
        return this.#property(this.#eval(file, expr.of), expr.name)
      case 'element': {
        const at = this.#eval(file, expr.at)
        return at.t === 'constant' ? this.#property(this.#eval(file, expr.of), String(at.v)) : unknown
      }
      case 'object':
        return { t: 'object', file, entries: expr.entries }
      case 'array':
        return { t: 'array', file, items: expr.items }
      case 'function':
        return { t: 'function', fn: expr.fn }
      case 'class':
        return { t: 'class', file, expr }
      case 'new':
        return this.#new(file, expr)
      case 'call':
        return this.#call(file, expr)
      case 'mutable': {
        const value = this.#eval(file, expr.first)
        return value.t === 'constant' ? { ...value, mutable: true } : value
      }
      case 'typed':
        return this.#typed(this.#evalType(file, expr.type))
      case 'import':
        return expr.typeOnly ? unknown : this.#import(file, expr.from, expr.name)
      case 'global':
        return { t: 'global', name: expr.name }
      case 'open':
        return unknown
      default:
        return expr satisfies never
    }
  }

  /** A type's name leads through imports that are erased, a value's does not. */
  #evalType(file: string, expr: Expr): Value {
    if (expr.k === 'import') return this.#import(file, expr.from, expr.name)
    if (expr.k === 'prop') return this.#property(this.#evalType(file, expr.of), expr.name)
    if (expr.k !== 'ref') return unknown
    const bound = own(this.#of.summary(file)?.bindings, expr.to)
    if (bound?.k === 'import') return this.#import(file, bound.from, bound.name)
    return bound?.k === 'class' ? this.#eval(file, bound) : unknown
  }

  #typed(type: Value): Value {
    if (this.#isAppClass(type)) return { t: 'some', what: 'app' }
    const isTask = type.t === 'library' && (type.name === 'Task' || type.name === 'AnyTask')
    return isTask ? { t: 'some', what: 'task' } : unknown
  }

  #isAppClass(value: Value): boolean {
    if (value.t === 'library') return appMakers.has(value.name)
    return (
      value.t === 'class' && value.expr.base !== undefined && this.#isAppClass(this.#eval(value.file, value.expr.base))
    )
  }

  #binding(file: string, key: string): Value {
    return this.#remember(file, `.${key}`, () => {
      const bound = own(this.#of.summary(file)?.bindings, key)
      return bound ? this.#eval(file, bound) : unknown
    })
  }

  #exported(file: string, name: string): Value {
    return this.#remember(file, `>${name}`, () => {
      const summary = this.#of.summary(file)
      if (!summary) return unknown
      const named = own(summary.exports, name)
      if (named?.k === 'import' && named.typeOnly) return this.#import(file, named.from, named.name)
      if (named) return this.#eval(file, named)
      const whole = summary.exports['=']
      if (whole) {
        const value = this.#eval(file, whole)
        return name === 'default' ? value : this.#property(value, name)
      }
      return name === 'default' || summary.stars.length === 0 ? unknown : this.#handedOn(file, name)
    })
  }

  /** By `export *`: of one name from two files JavaScript says that it is ambiguous, and exports none. */
  #handedOn(file: string, name: string): Value {
    this.#files?.add(`*${file}`)
    let found: Value = unknown
    for (const origin of this.#stars.originsOf(file, name)) {
      const value: Value = origin === libraryOrigin ? { t: 'library', name } : this.#exported(origin, name)
      if (value.t === 'unknown') continue
      if (found.t !== 'unknown' && !isSame(found, value)) return unknown
      found = value
    }
    return found
  }

  /** Evaluates once per file and key; a cycle is unknown. */
  #remember(file: string, key: string, evaluate: () => Value): Value {
    const outer = this.#files
    outer?.add(file)
    const memory = this.#memory.get(file)
    const known = memory?.get(key)
    if (known) {
      if (outer) for (const one of known.files) outer.add(one)
      return known.value
    }
    const id = `${file}${key}`
    if (this.#busy.has(id)) {
      this.#cycles++
      return unknown
    }
    const cycles = this.#cycles
    this.#busy.add(id)
    const files = new Set<string>([file])
    this.#files = files
    try {
      const value = evaluate()
      // Within a cycle the answer depends on where it was entered.
      if (this.#busy.size === 1 || this.#cycles === cycles || value.t !== 'unknown') {
        this.#keep(file, key, value, files)
      }
      return value
    } finally {
      this.#busy.delete(id)
      this.#files = outer
      if (outer) for (const one of files) outer.add(one)
    }
  }

  #keep(file: string, key: string, value: Value, files: ReadonlySet<string>): void {
    const own = this.#memory.get(file) ?? new Map<string, Known>()
    this.#memory.set(file, own)
    const known: Known = {
      value,
      files,
      forget: () => {
        own.delete(key)
        for (const one of files) this.#resting.get(one)?.delete(known)
      },
    }
    own.set(key, known)
    for (const one of files) {
      const resting = this.#resting.get(one)
      if (resting) resting.add(known)
      else this.#resting.set(one, new Set([known]))
    }
  }

  #import(file: string, from: string, name: string): Value {
    if (isLibrary(from)) return { t: 'library', name }
    const target = this.#of.resolve(file, from, (key) => this.#files?.add(key))
    if (target === undefined) return unknown
    this.#files?.add(target)
    return name === '*' ? { t: 'module', file: target } : this.#exported(target, name)
  }

  #property(value: Value, name: string): Value {
    switch (value.t) {
      case 'module': {
        const found = this.#exported(value.file, name)
        if (found.t !== 'unknown' || name !== 'default') return found
        const whole = this.#of.summary(value.file)?.exports['=']
        return whole ? this.#eval(value.file, whole) : unknown
      }
      case 'library':
        return value.name === '*' || value.name === 'default' ? { t: 'library', name } : unknown
      case 'object':
        return this.#entry(value.file, value.entries, name)
      case 'class': {
        const own = value.expr.statics.findLast(([key]) => key === name)
        if (own) return this.#eval(value.file, own[1])
        return value.expr.base ? this.#property(this.#eval(value.file, value.expr.base), name) : unknown
      }
      case 'array': {
        const item = /^\d+$/.test(name) ? value.items[Number(name)] : undefined
        // A spread before it moves the rest.
        return item ? this.#eval(value.file, item) : unknown
      }
      case 'app':
        return appMethods.has(name) ? { t: 'method', app: value.app, name } : unknown
      case 'some':
        return value.what === 'app' && appMethods.has(name) ? { t: 'method', app: undefined, name } : unknown
      case 'method':
        return name === 'bind' ? value : unknown
      case 'global':
        return { t: 'global', name: `${value.name}.${name}` }
      case 'constant':
      case 'function':
      case 'task':
      case 'unknown':
        return unknown
      default:
        return value satisfies never
    }
  }

  #entry(file: string, entries: Extract<Expr, { k: 'object' }>['entries'], name: string): Value {
    for (const [key, expr] of entries.toReversed()) {
      if (key === name) return this.#eval(file, expr)
      if (key !== null) continue
      const spread = this.#eval(file, expr)
      if (spread.t === 'unknown') return unknown // it may hold that name
      const found = this.#property(spread, name)
      if (found.t !== 'unknown') return found
    }
    return unknown
  }

  #new(file: string, expr: Extract<Expr, { k: 'new' }>): Value {
    if (!this.#isAppClass(this.#eval(file, expr.of))) return unknown
    return { t: 'app', app: this.#app(file, expr.id, expr.args) }
  }

  #app(file: string, id: string, args: readonly Expr[]): AppValue {
    const [first, second] = args
    const main = first ? this.#eval(file, first) : unknown
    const options = second ? this.#eval(file, second) : unknown
    const names = options.t === 'object' ? this.#property(options, 'taskNames') : unknown
    return {
      id: `${file}#${id}`,
      file,
      main: main.t === 'constant' && !main.mutable ? String(main.v) : undefined,
      explicitNames: names.t === 'constant' && names.v === 'explicit',
    }
  }

  #call(file: string, expr: Extract<Expr, { k: 'call' }>): Value {
    const callee = this.#eval(file, expr.of)
    if (callee.t === 'method') {
      if (expr.of.k === 'prop' && expr.of.name === 'bind') return callee
      const isMaker = callee.name === 'task' || callee.name === 'registerTask' || callee.name === 'external'
      return isMaker && expr.draft !== undefined ? { t: 'task', file, index: expr.draft } : unknown
    }
    if (callee.t === 'library' && callee.name === 'sharedTask' && expr.draft !== undefined) {
      return { t: 'task', file, index: expr.draft }
    }
    const [first] = expr.args
    if (callee.t === 'global' && first && (callee.name === 'Object.freeze' || callee.name === 'Object.seal')) {
      return this.#eval(file, first)
    }
    return unknown
  }

  #join(file: string, parts: readonly Expr[]): Value {
    let text = ''
    let mutable = false
    for (const part of parts) {
      const value = this.#eval(file, part)
      if (value.t !== 'constant') return unknown
      text += String(value.v)
      if (text.length > longestText) return unknown
      mutable ||= value.mutable === true
    }
    return { t: 'constant', v: text, ...(mutable && { mutable }) }
  }

  #add(left: Value, right: Value): Value {
    if (left.t !== 'constant' || right.t !== 'constant') return unknown
    const numbers = typeof left.v === 'number' && typeof right.v === 'number'
    const v = numbers ? Number(left.v) + Number(right.v) : `${String(left.v)}${String(right.v)}`
    if (typeof v === 'string' && v.length > longestText) return unknown
    return { t: 'constant', v, ...((left.mutable ?? right.mutable) && { mutable: true }) }
  }
}

/** What a record itself holds: names are anybody's choice, `constructor` too. */
function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined
}

function isSame(a: Value, b: Value): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
