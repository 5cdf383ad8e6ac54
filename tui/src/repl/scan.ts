import jsTokens from 'js-tokens'

export type TokenKind = 'keyword' | 'string' | 'number' | 'regex' | 'comment' | 'name' | 'punctuation' | 'space'

export interface ScanToken {
  readonly kind: TokenKind
  readonly text: string
  readonly start: number
  readonly end: number
  /** How many brackets are open around the token. */
  readonly depth: number
}

export interface Scan {
  readonly tokens: readonly ScanToken[]
  /** Offset of each bracket to the offset of its partner, both ways. */
  readonly pairs: ReadonlyMap<number, number>
  /** The text stops inside something: a bracket, a template, a comment, after an operator. */
  readonly open: boolean
  /** A bracket closes what is not open: nothing that follows can mend it. */
  readonly mismatched: boolean
  /** Brackets open at the end of the text. */
  readonly depth: number
}

/**
 * One pass over the text: kinds for colours, bracket pairs, and whether something is left open. It knows JavaScript only, and
 * calls some finished TypeScript open (`x!`, `Array<Map<string, number>>`): ask `open` after the parser has refused the text.
 */
export function scan(text: string): Scan {
  const tokens: ScanToken[] = []
  const pairs = new Map<number, number>()
  const stack: { readonly bracket: string; readonly at: number }[] = []
  let at = 0
  let unclosed = false
  let mismatched = false
  for (const token of jsTokens(text)) {
    const value = token.value
    const closer = closers.has(value) || token.type === 'TemplateMiddle' || token.type === 'TemplateTail'
    if (closer) {
      const top = stack.at(-1)
      if (top !== undefined && (openers[top.bracket] ?? '}') === value[0]) {
        stack.pop()
        pairs.set(at, top.at).set(top.at, at)
      } else mismatched = true
    }
    tokens.push({
      kind: kindOf(token.type, value),
      text: value,
      start: at,
      end: at + value.length,
      depth: stack.length,
    })
    if (value in openers && token.type === 'Punctuator') stack.push({ bracket: value, at })
    if (token.type === 'TemplateHead' || token.type === 'TemplateMiddle') {
      stack.push({ bracket: '${', at: at + value.length - 1 })
    }
    unclosed = 'closed' in token && !token.closed && endlessTokens.has(token.type)
    at += value.length
  }
  const last = tokens.findLast(isSignificant)
  const dangling = last !== undefined && last.kind === 'punctuation' && !endsExpression.has(last.text)
  return { tokens, pairs, open: stack.length > 0 || unclosed || dangling, mismatched, depth: stack.length }
}

/** Neither space nor comment. */
export function isSignificant(token: ScanToken): boolean {
  return token.kind !== 'space' && token.kind !== 'comment'
}

const openers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }
const closers = new Set([')', ']', '}'])
const endlessTokens = new Set(['NoSubstitutionTemplate', 'TemplateTail', 'MultiLineComment'])
const endsExpression = new Set([')', ']', '}', ';', '++', '--', '@'])

const keywords = new Set(
  `abstract as async await break case catch class const continue debugger declare default delete do else enum export extends
  false finally for from function if implements import in instanceof interface keyof let namespace new null of private protected
  public readonly return satisfies static super switch this throw true try type typeof undefined using var void while with yield`.split(
    /\s+/u,
  ),
)

function kindOf(type: string, value: string): TokenKind {
  switch (type) {
    case 'StringLiteral':
    case 'NoSubstitutionTemplate':
    case 'TemplateHead':
    case 'TemplateMiddle':
    case 'TemplateTail':
      return 'string'
    case 'RegularExpressionLiteral':
      return 'regex'
    case 'NumericLiteral':
      return 'number'
    case 'MultiLineComment':
    case 'SingleLineComment':
    case 'HashbangComment':
      return 'comment'
    case 'WhiteSpace':
    case 'LineTerminatorSequence':
      return 'space'
    case 'IdentifierName':
    case 'PrivateIdentifier':
      return keywords.has(value) ? 'keyword' : 'name'
    default:
      return 'punctuation'
  }
}
