import { stripTypeScriptTypes } from 'node:module'
import { isSignificant, scan, type Scan, type ScanToken } from './scan.ts'

export type Translation =
  | {
      readonly kind: 'ready'
      /** JavaScript for `Runtime.evaluate` in REPL mode; lines are where they were, except for enums and namespaces. */
      readonly js: string
      /** False after a trailing `;` and for an assignment: an AsyncResult is then not followed. */
      readonly follow: boolean
      /** Only spaces and comments. */
      readonly empty: boolean
    }
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'wrong'; readonly text: string; readonly line: number; readonly column: number }

export interface TranslateOptions {
  /** Lowers `@decorators`, which Node cannot run: the project's esbuild. Absent: they are an error that says so. */
  readonly lowerDecorators?: ((code: string) => string) | undefined
}

/** One input of the REPL, TypeScript as it would stand in a file of the project, made into JavaScript that can be evaluated. */
export async function translate(code: string, options: TranslateOptions = {}): Promise<Translation> {
  const shape = scan(code)
  const stripped = strip(code, shape)
  if (stripped.kind !== 'js') return stripped
  const significant = shape.tokens.filter(isSignificant)
  const rewritten = await rewriteModules(stripped.js)
  if (!significant.some((token) => token.text === '@')) {
    return { kind: 'ready', js: rewritten, follow: follows(shape, significant), empty: significant.length === 0 }
  }
  if (options.lowerDecorators === undefined) {
    const at = placeOf(code, significant.find((token) => token.text === '@')?.start ?? 0)
    return {
      kind: 'wrong',
      text: 'SyntaxError: Node runs no decorators. Install esbuild in the project to use them here.',
      ...at,
    }
  }
  return { kind: 'ready', js: options.lowerDecorators(rewritten), follow: true, empty: false }
}

/**
 * Swaps `const` and `let` of the declaration of `name`. REPL mode allows const after const and let after let, but no
 * change between the two: the second declaration is made of the first one's kind. Undefined when there is no such declaration.
 */
export function swapDeclaration(js: string, name: string): string | undefined {
  const tokens = scan(js).tokens.filter(isSignificant)
  let word: ScanToken | undefined
  for (const token of tokens) {
    if (token.depth === 0 && (token.text === 'const' || token.text === 'let')) word = token
    if (token.text === name && word !== undefined) {
      return js.slice(0, word.start) + (word.text === 'const' ? 'let' : 'const') + js.slice(word.end)
    }
  }
  return undefined
}

type Stripped = { readonly kind: 'js'; readonly js: string } | Exclude<Translation, { kind: 'ready' }>

function strip(code: string, shape: Scan): Stripped {
  // `{ a: 1 }` at the start is meant as an object, unless it only makes sense as a block.
  if (/^\s*\{/u.test(code) && !/;\s*$/u.test(code)) {
    try {
      return { kind: 'js', js: stripTypeScriptTypes(`(${code}\n)`, { mode: 'strip' }) }
    } catch {
      // a block
    }
  }
  try {
    return { kind: 'js', js: stripTypeScriptTypes(code, { mode: 'strip' }) }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (!('code' in error) || error.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return judge(error, code, shape)
  }
  try {
    return { kind: 'js', js: stripTypeScriptTypes(code, { mode: 'transform' }) }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return judge(error, code, shape)
  }
}

/**
 * Node's parser shows a caret under what it did not expect; none means that it came to the end of the input. Some mistakes at
 * the very end have a caret all the same (`1 +` in a template hole): the token scan tells those.
 */
function judge(error: Error, code: string, shape: Scan): Stripped {
  const head = (error.stack ?? '').split('\n\n')[0] ?? ''
  const caret = /^( *)\^+$/mu.exec(head)
  const atEnd = caret === null || error.message === 'Unterminated template' || (shape.open && caretAtEnd(head, code))
  if (atEnd && !shape.mismatched) return { kind: 'unfinished' }
  const line = Number(/:(\d+)/u.exec(head)?.[1] ?? 1)
  const source = code.split('\n')[line - 1] ?? ''
  const column = (caret?.[1]?.length ?? 0) + 1
  return { kind: 'wrong', text: `SyntaxError: ${error.message}\n${source}\n${' '.repeat(column - 1)}^`, line, column }
}

function caretAtEnd(head: string, code: string): boolean {
  const line = Number(/:(\d+)/u.exec(head)?.[1] ?? 1)
  const column = (/^( *)\^+$/mu.exec(head)?.[0] ?? '').length
  const lines = code.trimEnd().split('\n')
  return line >= lines.length && column >= (lines.at(-1)?.length ?? 0)
}

/** Imports become awaited calls that resolve against the project, exports become plain declarations; lines stay. */
async function rewriteModules(js: string): Promise<string> {
  if (!/\b(?:import|export)\b/u.test(js)) return js
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = []
  const lexer = await import('es-module-lexer')
  await lexer.init()
  const [imports] = lexer.parse(js)
  for (const found of imports) {
    switch (found.type) {
      case 'static':
      case 'reexport-star': {
        const statement = js.slice(found.importStart, found.importEnd)
        edits.push({ start: found.importStart, end: found.importEnd, text: importCall(statement, found) })
        break
      }
      case 'dynamic':
        edits.push({ start: found.importStart, end: found.importStart + 'import'.length, text: 'tq$.import' })
        break
      case 'import-meta':
        edits.push({ start: found.importStart, end: found.importEnd, text: 'tq$.meta' })
        break
    }
  }
  const covered = (at: number): boolean => edits.some((edit) => at >= edit.start && at < edit.end)
  const tokens = scan(js).tokens.filter(isSignificant)
  for (const [i, token] of tokens.entries()) {
    if (token.text !== 'export' || token.depth > 0 || covered(token.start) || tokens[i - 1]?.text === '.') continue
    const next = tokens[i + 1]
    let end = token.end
    if (next?.text === 'default') end = next.end
    else if (next?.text === '{') end = tokens.slice(i).find((t) => t.text === '}' && t.depth === 0)?.end ?? end
    edits.push({ start: token.start, end, text: blank(js.slice(token.start, end)) })
  }
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((text, e) => text.slice(0, e.start) + e.text + text.slice(e.end), js)
}

interface StaticRequest {
  readonly specifier: string
  readonly attributes: readonly (readonly [string, string])[] | null
}

function importCall(statement: string, request: StaticRequest): string {
  const lines = '\n'.repeat(statement.split('\n').length - 1)
  const attributes = request.attributes === null ? '' : `, ${JSON.stringify(Object.fromEntries(request.attributes))}`
  const call = (names: readonly string[]): string =>
    `await tq$.import(${JSON.stringify(request.specifier)}, ${JSON.stringify(names)}${attributes})`
  if (statement.startsWith('export')) return `${call([])};${lines}`
  const { defaultName, star, named } = importClause(statement)
  const picks = [...(defaultName === undefined ? [] : [['default', defaultName] as const]), ...named]
  const wanted = picks.map(([name]) => name)
  const pattern = `{ ${picks.map(([name, local]) => `${JSON.stringify(name)}: ${local}`).join(', ')} }`
  // `var`, so that the same import can be given again.
  if (star !== undefined) {
    const rest = picks.length === 0 ? '' : `, ${pattern} = ${star}`
    return `var ${star} = ${call(wanted)}${rest};${lines}`
  }
  return picks.length === 0 ? `${call([])};${lines}` : `var ${pattern} = ${call(wanted)};${lines}`
}

interface ImportClause {
  readonly defaultName: string | undefined
  readonly star: string | undefined
  readonly named: readonly (readonly [imported: string, local: string])[]
}

function importClause(statement: string): ImportClause {
  const words = scan(statement).tokens.filter(isSignificant)
  const named: (readonly [string, string])[] = []
  let defaultName: string | undefined
  let star: string | undefined
  for (let i = 1; i < words.length; i++) {
    const word = words[i]
    if (word === undefined || word.text === 'from' || (i === 1 && word.kind === 'string')) break
    if (word.text === '*') star = words[(i += 2)]?.text
    else if (word.depth === 0 && (word.kind === 'name' || word.kind === 'keyword')) defaultName = word.text
    else if (word.depth > 0 && word.text !== ',') {
      const imported = word.kind === 'string' ? word.text.slice(1, -1) : word.text
      const renamed = words[i + 1]?.text === 'as'
      named.push([imported, renamed ? (words[i + 2]?.text ?? imported) : imported])
      if (renamed) i += 2
    }
  }
  return { defaultName, star, named }
}

const assignments = new Set([
  '=',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '**=',
  '<<=',
  '>>=',
  '>>>=',
  '&=',
  '|=',
  '^=',
  '&&=',
  '||=',
  '??=',
])

/** Whether an AsyncResult that comes out of the input is waited for: neither silenced by `;` nor assigned. */
function follows(shape: Scan, significant: readonly ScanToken[]): boolean {
  const last = significant.at(-1)
  if (last === undefined || last.text === ';') return false
  const from = lastStatementStart(shape, significant)
  return !significant.some((token) => token.start >= from && token.depth === 0 && assignments.has(token.text))
}

function lastStatementStart(shape: Scan, significant: readonly ScanToken[]): number {
  let start = 0
  for (const [i, token] of significant.entries()) {
    const before = significant[i - 1]
    if (before === undefined || token.depth > 0) continue
    const newLine = shape.tokens.some(
      (t) => t.kind === 'space' && t.start >= before.end && t.end <= token.start && t.text.includes('\n'),
    )
    const continues = token.kind === 'punctuation' || (before.kind === 'punctuation' && !/^[)\]};]$/u.test(before.text))
    if (before.text === ';' || (newLine && !continues)) start = token.start
  }
  return start
}

function blank(text: string): string {
  return text.replace(/[^\n]/gu, ' ')
}

function placeOf(code: string, at: number): { readonly line: number; readonly column: number } {
  const lines = code.slice(0, at).split('\n')
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
}
