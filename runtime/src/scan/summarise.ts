import type { ts as TS } from 'ts-morph'
import type { AppDraft, CallDraft, DefinitionDraft, Expr, FileSummary, Span } from './file-summary.ts'
import { ExpressionReader } from './read-expression.ts'
import { docsOf, textOf } from './read-function.ts'
import type { Typescript } from './scopes.ts'
import type { Argument, CallSite } from './task-info.ts'

const callMethods: ReadonlySet<string> = new Set(['delay', 'applyAsync', 's', 'si', 'sendTask', 'signature'])
const notMakers: ReadonlySet<string> = new Set([
  ...callMethods,
  'bind',
  'call',
  'apply',
  'then',
  'catch',
  'map',
  'forEach',
])
const makers: ReadonlySet<string> = new Set(['task', 'registerTask', 'external', 'sharedTask'])

/**
 * Reads one file into a summary: syntax only, no type checker, no other file. The parser recovers from errors, so half-typed
 * source gives a summary too; `parseErrors` says that it is one of those.
 */
export function summarise(ts: Typescript, path: string, text: string): FileSummary {
  const options = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode: ts.JSDocParsingMode.ParseAll }
  // The parents are set by the walk that is made anyway.
  const file = ts.createSourceFile(path, text, options, false, scriptKind(ts, path))
  return new Summary(ts, file).summary()
}

function scriptKind(ts: Typescript, path: string): TS.ScriptKind {
  if (path.endsWith('.tsx')) return ts.ScriptKind.TSX
  if (path.endsWith('.jsx')) return ts.ScriptKind.JSX
  return /\.[cm]?js$/.test(path) ? ts.ScriptKind.JS : ts.ScriptKind.TS
}

class Summary {
  readonly #ts: Typescript
  readonly #file: TS.SourceFile
  readonly #reader: ExpressionReader
  readonly #drafts = new Map<TS.CallExpression, number>()
  readonly #definitions: DefinitionDraft[] = []
  readonly #calls: CallDraft[] = []
  readonly #apps: AppDraft[] = []

  constructor(ts: Typescript, file: TS.SourceFile) {
    this.#ts = ts
    this.#file = file
    this.#reader = new ExpressionReader(ts, file, (call) => this.#drafts.get(call))
  }

  summary(): FileSummary {
    const ts = this.#ts
    const { all, news } = this.#walk()
    const candidates: { readonly node: TS.CallExpression; readonly alias: boolean }[] = []
    const calls: [TS.CallExpression, CallSite['method'], TS.Expression][] = []
    for (const node of all) {
      const member = this.#member(node.expression)
      const kind = this.#definitionKind(node, member?.name)
      if (kind) {
        this.#drafts.set(node, candidates.length)
        candidates.push({ node, alias: kind === 'alias' })
      }
      if (member && isCallMethod(member.name)) calls.push([node, member.name, member.of])
    }
    // Definitions are numbered before anything is read: a binding may refer to one further down.
    this.#reader.readTopLevel()
    for (const { node, alias } of candidates) this.#definitions.push(this.#definition(node, alias))
    for (const one of calls) this.#calls.push(this.#call(...one))
    for (const one of news) {
      if (!ts.isIdentifier(one.expression) && !ts.isPropertyAccessExpression(one.expression)) continue
      const expr = this.#reader.read(one, this.#bindingOf(one))
      if (expr.k === 'new' && expr.of.k !== 'global') this.#apps.push({ expr, range: this.#range(one) })
    }
    const { exports, stars } = this.#exports()
    return {
      bindings: { ...this.#reader.bindings },
      exports,
      stars,
      definitions: this.#definitions,
      calls: this.#calls,
      apps: this.#apps,
      parseErrors: parseErrors(this.#file),
    }
  }

  /** Sets the parents in the whole tree, and collects what calls and what makes something. */
  #walk(): { readonly all: readonly TS.CallExpression[]; readonly news: readonly TS.NewExpression[] } {
    const ts = this.#ts
    const all: TS.CallExpression[] = []
    const news: TS.NewExpression[] = []
    const { CallExpression: call, NewExpression: construct } = ts.SyntaxKind
    let parent: TS.Node = this.#file
    const visit = (node: TS.Node): void => {
      setParent(node, parent)
      if (node.kind === call && ts.isCallExpression(node)) all.push(node)
      else if (node.kind === construct && ts.isNewExpression(node)) news.push(node)
      const outer = parent
      parent = node
      ts.forEachChild(node, visit)
      parent = outer
    }
    ts.forEachChild(this.#file, visit)
    return { all, news }
  }

  #member(callee: TS.Expression): { readonly name: string; readonly of: TS.Expression } | undefined {
    const ts = this.#ts
    if (ts.isPropertyAccessExpression(callee)) return { name: callee.name.text, of: callee.expression }
    if (ts.isElementAccessExpression(callee) && ts.isStringLiteralLike(callee.argumentExpression)) {
      return { name: callee.argumentExpression.text, of: callee.expression }
    }
    return undefined
  }

  #definitionKind(node: TS.CallExpression, member: string | undefined): 'member' | 'alias' | undefined {
    const { length } = node.arguments
    if (length > 3 || (member !== undefined && notMakers.has(member))) return undefined
    if (member !== undefined && makers.has(member)) return 'member'
    const ts = this.#ts
    if (length === 0 || node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      return undefined
    }
    if (ts.isIdentifier(node.expression) && node.expression.text === 'require') return undefined
    if (!ts.isIdentifier(node.expression) && !ts.isPropertyAccessExpression(node.expression)) return undefined
    // An alias of `task` has a name first or a function last; what else is called is called in every line.
    const [first, last] = [node.arguments[0], node.arguments.at(-1)]
    const isNamed = first && (ts.isStringLiteralLike(first) || ts.isTemplateExpression(first))
    const isInline = last && (ts.isFunctionExpression(last) || ts.isArrowFunction(last))
    const isReference = last && ts.isIdentifier(last) && (length > 1 || this.#isTopLevel(node))
    if (!isInline && !isReference && !(isNamed && ts.isIdentifier(node.expression))) return undefined
    return this.#reader.mayBeMaker(node.expression) ? 'alias' : undefined
  }

  /** A statement or a variable of the file itself. */
  #isTopLevel(node: TS.Node): boolean {
    const ts = this.#ts
    const { parent } = node
    if (ts.isExpressionStatement(parent)) return ts.isSourceFile(parent.parent)
    return ts.isVariableDeclaration(parent) && ts.isSourceFile(parent.parent.parent.parent)
  }

  #definition(node: TS.CallExpression, alias: boolean): DefinitionDraft {
    const binding = this.#bindingOf(node)
    const docs = docsOf(this.#ts, this.#documented(node))
    const site = this.#nameOf(node) ?? this.#calleeName(node.expression)
    const [first] = node.arguments
    return {
      callee: this.#reader.read(node.expression),
      args: node.arguments.map((one) => this.#reader.read(one)),
      ...(first && { first: this.#range(first) }),
      ...(first && this.#isOpenName(first) && { firstText: textOf(first, this.#file).slice(0, 120) }),
      ...(binding !== '' && { binding }),
      ...((docs.text !== undefined || Object.keys(docs.parameters).length > 0) && { docs }),
      ...(this.#isConditional(node) && { conditional: true as const }),
      ...(alias && { alias: true as const }),
      range: this.#range(node),
      site: this.#range(site),
    }
  }

  #isOpenName(node: TS.Expression): boolean {
    const ts = this.#ts
    return !(ts.isStringLiteralLike(node) || ts.isFunctionLike(node) || ts.isObjectLiteralExpression(node))
  }

  /** `send`, `Jobs.send`, `jobs.send`: the names on the way out of the expression. */
  #bindingOf(node: TS.Node): string {
    const ts = this.#ts
    const words: string[] = []
    let at: TS.Node = node
    for (; at.parent; at = at.parent) {
      const { parent } = at
      if (ts.isVariableDeclaration(parent)) {
        if (ts.isIdentifier(parent.name) && parent.initializer === at) words.unshift(parent.name.text)
        break
      }
      if (ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) {
        if (ts.isIdentifier(parent.name) || ts.isStringLiteralLike(parent.name)) words.unshift(parent.name.text)
      } else if (ts.isClassLike(parent)) {
        if (parent.name) words.unshift(parent.name.text)
        break
      } else if (ts.isExportAssignment(parent)) {
        words.unshift('default')
        break
      } else if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
        const target = this.#member(parent.left)?.name ?? (ts.isIdentifier(parent.left) ? parent.left.text : undefined)
        if (target !== undefined && parent.right === at) words.unshift(target)
        break
      } else if (!ts.isObjectLiteralExpression(parent) && !this.#isWrapper(parent)) break
    }
    return words.join('.')
  }

  #isWrapper(node: TS.Node): boolean {
    const ts = this.#ts
    return (
      ts.isParenthesizedExpression(node) ||
      ts.isAsExpression(node) ||
      ts.isSatisfiesExpression(node) ||
      ts.isNonNullExpression(node) ||
      ts.isConditionalExpression(node)
    )
  }

  /** The identifier that a definition is bound to. */
  #nameOf(node: TS.Node): TS.Node | undefined {
    const ts = this.#ts
    let at = node
    while (at.parent && this.#isWrapper(at.parent)) at = at.parent
    const { parent } = at
    if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent)) {
      return parent.name
    }
    return ts.isBinaryExpression(parent) && parent.right === at ? parent.left : undefined
  }

  #calleeName(callee: TS.Expression): TS.Node {
    return this.#ts.isPropertyAccessExpression(callee) ? callee.name : callee
  }

  /** Where the JSDoc of a definition stands: its statement, its property, its own expression. */
  #documented(node: TS.Node): TS.Node {
    const ts = this.#ts
    for (let at = node; at.parent; at = at.parent) {
      if (ts.isVariableDeclaration(at) || ts.isPropertyAssignment(at) || ts.isPropertyDeclaration(at)) return at
      if (ts.isStatement(at) || ts.isFunctionLike(at)) return at
    }
    return node
  }

  #isConditional(node: TS.Node): boolean {
    const ts = this.#ts
    for (let at = node; at.parent; at = at.parent) {
      const { parent } = at
      if (ts.isIfStatement(parent) && parent.expression !== at) return true
      if (ts.isConditionalExpression(parent) && parent.condition !== at) return true
      if (ts.isCaseOrDefaultClause(parent) || ts.isIterationStatement(parent, false) || ts.isCatchClause(parent))
        return true
      if (ts.isFunctionLike(parent)) return true
      if (ts.isBinaryExpression(parent) && parent.right === at && isLogical(ts, parent.operatorToken.kind)) return true
    }
    return false
  }

  #call(node: TS.CallExpression, method: CallSite['method'], of: TS.Expression): CallDraft {
    const byName = method === 'sendTask' || method === 'signature'
    const [first, second] = node.arguments
    const list = byName ? second : first
    const own = method === 'delay' || method === 's' || method === 'si'
    const args = own ? this.#args(node.arguments) : list ? this.#listArgs(list) : byName ? [] : undefined
    const within = this.#functionAround(node)
    return {
      method,
      of: this.#reader.read(of),
      ...(byName && first && { name: this.#reader.read(first) }),
      ...(args && { args }),
      ...(this.#hasKeywords(node, method) && { keywords: true as const }),
      ...(within !== undefined && { within }),
      range: this.#range(node),
      nameRange: this.#range(byName && first ? first : of),
    }
  }

  #hasKeywords(node: TS.CallExpression, method: CallSite['method']): boolean {
    if (method === 'sendTask') return node.arguments.length > 2
    return (
      (method === 'applyAsync' || method === 'signature') && node.arguments.length > (method === 'signature' ? 2 : 1)
    )
  }

  #listArgs(list: TS.Expression): CallDraft['args'] {
    return this.#ts.isArrayLiteralExpression(list) ? this.#args(list.elements) : undefined
  }

  #args(nodes: readonly TS.Expression[]): CallDraft['args'] {
    if (nodes.some((one) => this.#ts.isSpreadElement(one))) return undefined
    return nodes.map((one) => {
      const type = this.#literalKind(one)
      return type === undefined ? [this.#range(one)] : [this.#range(one), type]
    })
  }

  #literalKind(node: TS.Expression): Argument['type'] {
    const ts = this.#ts
    if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) return 'string'
    if (ts.isNumericLiteral(node)) return 'number'
    if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand)) return 'number'
    if (ts.isBigIntLiteral(node)) return 'bigint'
    if (ts.isArrayLiteralExpression(node)) return 'array'
    if (ts.isObjectLiteralExpression(node)) return 'object'
    if (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) return 'boolean'
    return node.kind === ts.SyntaxKind.NullKeyword ? 'null' : undefined
  }

  #functionAround(node: TS.Node): string | undefined {
    const ts = this.#ts
    for (let at = node.parent; at; at = at.parent) {
      if (!ts.isFunctionLike(at)) continue
      if (at.name && (ts.isIdentifier(at.name) || ts.isStringLiteralLike(at.name))) return at.name.text
      const { parent } = at
      if (ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)) return parent.name.text
      if (ts.isCallExpression(parent) && this.#drafts.has(parent)) return this.#bindingOf(parent) || undefined
    }
    return undefined
  }

  #exports(): { exports: Record<string, Expr>; stars: string[] } {
    const ts = this.#ts
    const exports: Record<string, Expr> = Object.create(null) as Record<string, Expr>
    const stars: string[] = []
    for (const statement of this.#file.statements) {
      if (ts.isExportDeclaration(statement)) this.#reexport(statement, exports, stars)
      else if (ts.isExportAssignment(statement)) {
        exports[statement.isExportEquals ? '=' : 'default'] = this.#reader.read(statement.expression, 'default')
      } else if (ts.isExpressionStatement(statement)) this.#commonJs(statement.expression, exports)
      else if (ts.canHaveModifiers(statement)) this.#declared(statement, exports)
    }
    return { exports: { ...exports }, stars }
  }

  #declared(statement: TS.Statement & TS.HasModifiers, exports: Record<string, Expr>): void {
    const ts = this.#ts
    const modifiers = ts.getModifiers(statement) ?? []
    if (!modifiers.some((one) => one.kind === ts.SyntaxKind.ExportKeyword)) return
    const isDefault = modifiers.some((one) => one.kind === ts.SyntaxKind.DefaultKeyword)
    const add = (name: string): void => {
      exports[isDefault ? 'default' : name] = { k: 'ref', to: name }
    }
    if (ts.isVariableStatement(statement)) {
      const names = (pattern: TS.BindingName): void => {
        if (ts.isIdentifier(pattern)) add(pattern.text)
        else for (const one of pattern.elements) if (ts.isBindingElement(one)) names(one.name)
      }
      for (const one of statement.declarationList.declarations) names(one.name)
    } else if (ts.isFunctionDeclaration(statement) && !statement.name) {
      exports.default = { k: 'function', fn: this.#reader.functionOf(statement, 'default') }
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isEnumDeclaration(statement) ||
        ts.isModuleDeclaration(statement)) &&
      statement.name
    ) {
      if (ts.isIdentifier(statement.name)) add(statement.name.text)
    }
  }

  #reexport(node: TS.ExportDeclaration, exports: Record<string, Expr>, stars: string[]): void {
    const ts = this.#ts
    const from =
      node.moduleSpecifier && ts.isStringLiteralLike(node.moduleSpecifier) ? node.moduleSpecifier.text : undefined
    if (!node.exportClause) {
      if (from !== undefined && !node.isTypeOnly) stars.push(from)
      return
    }
    if (ts.isNamespaceExport(node.exportClause)) {
      if (from !== undefined) exports[node.exportClause.name.text] = { k: 'import', from, name: '*' }
      return
    }
    for (const one of node.exportClause.elements) {
      const local = one.propertyName ?? one.name
      const typeOnly = node.isTypeOnly || one.isTypeOnly
      if (from !== undefined) {
        exports[one.name.text] = { k: 'import', from, name: local.text, ...(typeOnly && { typeOnly: true as const }) }
      } else if (ts.isIdentifier(local)) exports[one.name.text] = this.#reader.nameAt(local)
    }
  }

  #commonJs(node: TS.Expression, exports: Record<string, Expr>): void {
    const ts = this.#ts
    if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.EqualsToken) return
    const target = textOf(node.left, this.#file)
    if (target === 'module.exports') exports['='] = this.#reader.read(node.right)
    const name = /^(?:module\.)?exports\.([\w$]+)$/.exec(target)?.[1]
    if (name !== undefined && name !== 'exports') exports[name] = this.#reader.read(node.right, name)
  }

  #range(node: TS.Node): Span {
    const start = node.getStart(this.#file)
    const from = this.#file.getLineAndCharacterOfPosition(start)
    const to = this.#file.getLineAndCharacterOfPosition(node.end)
    return [start, node.end, from.line + 1, from.character + 1, to.line + 1, to.character + 1]
  }
}

function setParent(node: TS.Node, parent: TS.Node): void {
  ;(node as { parent: TS.Node }).parent = parent // for the readers of a tree it is read-only, and we are its makers
}

function isCallMethod(name: string): name is CallSite['method'] {
  return callMethods.has(name)
}

function isLogical(ts: Typescript, kind: TS.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken
  )
}

/** The parser's own errors: TypeScript keeps them at the tree, but leaves them out of its types. */
function parseErrors(file: TS.SourceFile): number {
  const found: unknown = Reflect.get(file, 'parseDiagnostics')
  return Array.isArray(found) ? found.length : 0
}
