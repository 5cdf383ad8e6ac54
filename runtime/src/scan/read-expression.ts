import type { ts as TS } from 'ts-morph'
import type { Expr, FunctionInfo } from './file-summary.ts'
import { readFunction } from './read-function.ts'
import { Scopes, type Typescript } from './scopes.ts'

const open: Expr = { k: 'open' }
// Relative, by a path alias, of a scope that may be a package of the workspace; not `vitest` or `react`.
const nearModule = /^(?:[.#~@]|tq-runtime(?:$|\/))/
const deepest = 60
const mostEntries = 2000

/** Turns syntax into expressions as data, one file at a time; collects the bindings that they refer to. */
export class ExpressionReader {
  readonly bindings: Record<string, Expr> = Object.create(null) as Record<string, Expr>
  readonly #ts: Typescript
  readonly #file: TS.SourceFile
  readonly #scopes: Scopes
  readonly #keys = new Map<TS.Node, Map<string, string>>()
  readonly #draftOf: (call: TS.CallExpression) => number | undefined
  readonly #ids = new Map<string, number>()
  readonly #newIds = new Map<TS.Node, string>()
  #depth = 0

  /** `draftOf` says which definition a call may be. */
  constructor(ts: Typescript, file: TS.SourceFile, draftOf: (call: TS.CallExpression) => number | undefined) {
    this.#ts = ts
    this.#file = file
    this.#scopes = new Scopes(ts, file)
    this.#draftOf = draftOf
  }

  /** `hint` is the name that an anonymous function gets from where it stands. */
  read(node: TS.Expression, hint = ''): Expr {
    if (this.#depth > deepest) return open
    this.#depth++
    try {
      return this.#read(node, hint)
    } finally {
      this.#depth--
    }
  }

  #read(node: TS.Expression, hint: string): Expr {
    const ts = this.#ts
    if (ts.isStringLiteralLike(node)) return { k: 'literal', v: node.text }
    if (ts.isIdentifier(node)) return this.nameAt(node)
    if (ts.isPropertyAccessExpression(node)) {
      return { k: 'prop', of: this.read(node.expression), name: node.name.text }
    }
    if (ts.isCallExpression(node)) return this.#call(node)
    if (ts.isArrowFunction(node)) return { k: 'function', fn: readFunction(ts, this.#file, node, hint) }
    if (ts.isNumericLiteral(node)) return { k: 'literal', v: Number(node.text) }
    if (node.kind === ts.SyntaxKind.TrueKeyword) return { k: 'literal', v: true }
    if (node.kind === ts.SyntaxKind.FalseKeyword) return { k: 'literal', v: false }
    if (node.kind === ts.SyntaxKind.NullKeyword) return { k: 'literal', v: null }
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return this.read(node.expression, hint)
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isTypeAssertionExpression(node)) {
      return this.read(node.expression, hint)
    }
    if (ts.isAwaitExpression(node)) return this.read(node.expression)
    if (ts.isElementAccessExpression(node)) {
      return { k: 'element', of: this.read(node.expression), at: this.read(node.argumentExpression) }
    }
    if (ts.isTemplateExpression(node)) {
      const parts: Expr[] = [{ k: 'literal', v: node.head.text }]
      for (const span of node.templateSpans) {
        parts.push(this.read(span.expression), { k: 'literal', v: span.literal.text })
      }
      return { k: 'template', parts }
    }
    if (ts.isBinaryExpression(node)) {
      if (node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return open
      return { k: 'add', left: this.read(node.left), right: this.read(node.right) }
    }
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) {
      const inner = this.read(node.operand)
      return inner.k === 'literal' && typeof inner.v === 'number' ? { k: 'literal', v: -inner.v } : open
    }
    if (ts.isObjectLiteralExpression(node)) return this.#object(node)
    if (ts.isArrayLiteralExpression(node)) {
      if (node.elements.length > mostEntries) return open
      const spread = node.elements.findIndex((one) => ts.isSpreadElement(one))
      const fixed = spread < 0 ? node.elements : node.elements.slice(0, spread) // a spread moves what follows it
      return { k: 'array', items: fixed.map((one) => this.read(one)), ...(spread >= 0 && { partial: true as const }) }
    }
    if (ts.isFunctionExpression(node)) {
      return { k: 'function', fn: readFunction(ts, this.#file, node, node.name?.text ?? hint) }
    }
    if (ts.isClassExpression(node)) return this.#class(node)
    if (ts.isNewExpression(node)) {
      const args = (node.arguments ?? []).map((one) => this.read(one))
      return { k: 'new', of: this.read(node.expression), args, id: this.#newId(node, hint) }
    }
    return open
  }

  #call(node: TS.CallExpression): Expr {
    const ts = this.#ts
    const [first] = node.arguments
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword || this.#isRequire(node.expression)) {
      return first && ts.isStringLiteralLike(first) ? { k: 'import', from: first.text, name: '*' } : open
    }
    const draft = this.#draftOf(node)
    // A definition's arguments stand in its draft.
    const args = draft === undefined ? node.arguments.slice(0, 2).map((one) => this.read(one)) : []
    return { k: 'call', of: this.read(node.expression), args, ...(draft !== undefined && { draft }) }
  }

  #isRequire(node: TS.Expression): boolean {
    return (
      this.#ts.isIdentifier(node) &&
      node.text === 'require' &&
      this.#scopes.declarationOf('require', node) === undefined
    )
  }

  #object(node: TS.ObjectLiteralExpression): Expr {
    const ts = this.#ts
    if (node.properties.length > mostEntries) return open
    const entries: [string | null, Expr][] = []
    for (const one of node.properties) {
      if (ts.isSpreadAssignment(one)) entries.push([null, this.read(one.expression)])
      else if (ts.isShorthandPropertyAssignment(one)) entries.push([one.name.text, this.nameAt(one.name)])
      else {
        const key = one.name && this.#keyOf(one.name)
        if (key === undefined) continue
        if (ts.isPropertyAssignment(one)) entries.push([key, this.read(one.initializer, key)])
        else if (ts.isMethodDeclaration(one)) {
          entries.push([key, { k: 'function', fn: readFunction(ts, this.#file, one, key) }])
        } else entries.push([key, open])
      }
    }
    return { k: 'object', entries }
  }

  #keyOf(name: TS.PropertyName): string | undefined {
    const ts = this.#ts
    if (ts.isIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text
    if (ts.isComputedPropertyName(name)) {
      const key = this.read(name.expression)
      return key.k === 'literal' ? String(key.v) : undefined
    }
    return undefined
  }

  #class(node: TS.ClassLikeDeclaration): Expr {
    const ts = this.#ts
    const statics: [string, Expr][] = []
    for (const member of node.members) {
      if (!(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static)) continue
      const key = member.name && this.#keyOf(member.name)
      if (key === undefined) continue
      if (ts.isPropertyDeclaration(member) && member.initializer)
        statics.push([key, this.read(member.initializer, key)])
      else if (ts.isMethodDeclaration(member)) {
        statics.push([key, { k: 'function', fn: readFunction(ts, this.#file, member, key) }])
      }
    }
    const extended = node.heritageClauses?.find((one) => one.token === ts.SyntaxKind.ExtendsKeyword)?.types[0]
    const name = node.name?.text ?? ''
    const method = node.members.find((one) => ts.isMethodDeclaration(one) && this.#keyOf(one.name) === 'run')
    return {
      k: 'class',
      name,
      statics,
      ...(extended && { base: this.read(extended.expression) }),
      ...(method && ts.isMethodDeclaration(method) && { run: readFunction(ts, this.#file, method, name) }),
    }
  }

  /**
   * Whether a callee may be another name of `task`, judged by its declaration alone: an import from a file of ours, a variable
   * that holds a name, a member or a call, a part of an object.
   */
  mayBeMaker(callee: TS.Expression): boolean {
    const ts = this.#ts
    if (ts.isPropertyAccessExpression(callee)) return this.mayBeMaker(callee.expression)
    if (!ts.isIdentifier(callee)) return false
    const declaration = this.#scopes.declarationOf(callee.text, callee)
    if (!declaration) return false
    if (ts.isBindingElement(declaration)) return !ts.isParameter(declaration.parent.parent)
    if (ts.isVariableDeclaration(declaration)) {
      const { initializer } = declaration
      return (
        initializer !== undefined &&
        (ts.isIdentifier(initializer) ||
          ts.isPropertyAccessExpression(initializer) ||
          ts.isElementAccessExpression(initializer) ||
          ts.isCallExpression(initializer) ||
          ts.isObjectLiteralExpression(initializer))
      )
    }
    const imported = this.#imported(declaration)
    return imported.k === 'import' && nearModule.test(imported.from)
  }

  /** A function declaration as what its binding holds. */
  functionOf(node: TS.SignatureDeclaration, name: string): FunctionInfo {
    return readFunction(this.#ts, this.#file, node, name)
  }

  /** What an identifier means where it stands. */
  nameAt(node: TS.Identifier): Expr {
    if (node.text === 'undefined') return open
    const declaration = this.#scopes.declarationOf(node.text, node)
    if (!declaration) return { k: 'global', name: node.text }
    return { k: 'ref', to: this.#keyFor(declaration, node.text) }
  }

  #keyFor(declaration: TS.Node, name: string): string {
    const known = this.#keys.get(declaration)?.get(name)
    if (known !== undefined) return known
    const key = this.#isTopLevel(declaration) ? name : this.#unique(`${name}~`)
    const keys = this.#keys.get(declaration) ?? new Map<string, string>()
    this.#keys.set(declaration, keys.set(name, key))
    this.bindings[key] = open // a name that refers to itself
    this.bindings[key] = this.#declared(declaration, name)
    return key
  }

  #unique(stem: string): string {
    const next = (this.#ids.get(stem) ?? 0) + 1
    this.#ids.set(stem, next)
    return `${stem}${next}`
  }

  #newId(node: TS.Node, hint: string): string {
    const known = this.#newIds.get(node)
    if (known !== undefined) return known
    const taken = hint !== '' && !this.#ids.has(`new ${hint}`)
    if (taken) this.#ids.set(`new ${hint}`, 1)
    const id = taken ? hint : this.#unique(`${hint}~new`)
    this.#newIds.set(node, id)
    return id
  }

  #isTopLevel(declaration: TS.Node): boolean {
    const ts = this.#ts
    for (let at = declaration.parent; at; at = at.parent) {
      if (ts.isSourceFile(at)) return true
      if (ts.isFunctionLike(at) || ts.isBlock(at) || ts.isModuleBlock(at) || ts.isCaseBlock(at)) return false
    }
    return true
  }

  /** Reads every binding of the file's top level: other files may ask for it. */
  readTopLevel(): void {
    for (const statement of this.#file.statements) this.#topLevel(statement)
  }

  #topLevel(statement: TS.Statement): void {
    const ts = this.#ts
    if (ts.isVariableStatement(statement)) {
      for (const one of statement.declarationList.declarations) this.#bindPattern(one.name, one)
    } else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      if (statement.name && this.bindings[statement.name.text] === undefined) {
        this.#keyFor(statement, statement.name.text)
      }
    } else if (ts.isEnumDeclaration(statement)) this.#keyFor(statement, statement.name.text)
    else if (ts.isModuleDeclaration(statement) && ts.isIdentifier(statement.name)) {
      if (this.bindings[statement.name.text] === undefined) this.#keyFor(statement, statement.name.text)
    }
  }

  #bindPattern(name: TS.BindingName, node: TS.Node): void {
    const ts = this.#ts
    if (ts.isIdentifier(name)) this.#keyFor(node, name.text)
    else for (const one of name.elements) if (ts.isBindingElement(one)) this.#bindPattern(one.name, one)
  }

  #declared(node: TS.Node, name: string): Expr {
    const ts = this.#ts
    if (ts.isVariableDeclaration(node)) return this.#variable(node, name)
    if (ts.isBindingElement(node)) return this.#element(node)
    if (ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node)) {
      return { k: 'function', fn: readFunction(ts, this.#file, node, name) }
    }
    if (ts.isClassLike(node)) return this.#class(node)
    if (ts.isParameter(node)) return node.type ? this.#typed(node.type) : open
    if (ts.isEnumDeclaration(node)) return this.#enum(node)
    if (ts.isModuleDeclaration(node)) return this.#namespace(node)
    return this.#imported(node)
  }

  #variable(node: TS.VariableDeclaration, name: string): Expr {
    const ts = this.#ts
    if (!ts.isVariableDeclarationList(node.parent)) return open // catch
    if (ts.isForInStatement(node.parent.parent) || ts.isForOfStatement(node.parent.parent)) return open
    const isConst = (node.parent.flags & ts.NodeFlags.Const) !== 0
    const value = node.initializer
      ? this.read(node.initializer, ts.isIdentifier(node.name) ? name : '')
      : node.type
        ? this.#typed(node.type)
        : open
    // A value that nothing is known of still has the type that was written.
    const known: Expr = node.type && node.initializer && this.#isVague(value) ? this.#typed(node.type) : value
    return isConst || known.k === 'open' ? known : { k: 'mutable', first: known }
  }

  #isVague(value: Expr): boolean {
    return value.k === 'open' || (value.k === 'call' && value.draft === undefined)
  }

  #element(node: TS.BindingElement): Expr {
    const ts = this.#ts
    const pattern = node.parent
    const holder = pattern.parent
    let of: Expr = open
    if (ts.isBindingElement(holder)) of = this.#element(holder)
    else if (ts.isVariableDeclaration(holder)) of = holder.initializer ? this.read(holder.initializer) : open
    else if (holder.type) of = this.#typed(holder.type)
    if (node.dotDotDotToken) return open
    if (ts.isArrayBindingPattern(pattern)) {
      return { k: 'element', of, at: { k: 'literal', v: pattern.elements.indexOf(node) } }
    }
    const key = node.propertyName
      ? this.#keyOf(node.propertyName)
      : ts.isIdentifier(node.name)
        ? node.name.text
        : undefined
    return key === undefined ? open : { k: 'prop', of, name: key }
  }

  /** A value of a type; of the type `typeof x` that is x itself. */
  #typed(node: TS.TypeNode): Expr {
    const ts = this.#ts
    if (ts.isTypeReferenceNode(node)) return { k: 'typed', type: this.#entity(node.typeName) }
    return ts.isTypeQueryNode(node) ? this.#entity(node.exprName) : open
  }

  #entity(name: TS.EntityName): Expr {
    return this.#ts.isIdentifier(name)
      ? this.nameAt(name)
      : { k: 'prop', of: this.#entity(name.left), name: name.right.text }
  }

  #enum(node: TS.EnumDeclaration): Expr {
    let next: number | undefined = 0
    const entries: [string, Expr][] = []
    for (const member of node.members) {
      const key = this.#keyOf(member.name)
      const value: Expr = member.initializer
        ? this.read(member.initializer)
        : next === undefined
          ? open
          : { k: 'literal', v: next }
      next = value.k === 'literal' && typeof value.v === 'number' ? value.v + 1 : undefined
      if (key !== undefined) entries.push([key, value])
    }
    return { k: 'object', entries }
  }

  #namespace(node: TS.ModuleDeclaration): Expr {
    const ts = this.#ts
    const { body } = node
    if (!body) return open
    if (ts.isModuleDeclaration(body) && ts.isIdentifier(body.name)) {
      return { k: 'object', entries: [[body.name.text, this.#namespace(body)]] }
    }
    if (!ts.isModuleBlock(body)) return open
    const entries: [string, Expr][] = []
    for (const statement of body.statements) {
      if (ts.isVariableStatement(statement)) {
        for (const one of statement.declarationList.declarations) {
          if (ts.isIdentifier(one.name))
            entries.push([one.name.text, { k: 'ref', to: this.#keyFor(one, one.name.text) }])
        }
      } else if (
        (ts.isFunctionDeclaration(statement) ||
          ts.isClassDeclaration(statement) ||
          ts.isEnumDeclaration(statement) ||
          ts.isModuleDeclaration(statement)) &&
        statement.name &&
        ts.isIdentifier(statement.name)
      ) {
        entries.push([statement.name.text, { k: 'ref', to: this.#keyFor(statement, statement.name.text) }])
      }
    }
    return { k: 'object', entries }
  }

  #imported(node: TS.Node): Expr {
    const ts = this.#ts
    if (ts.isImportEqualsDeclaration(node)) {
      const { moduleReference: from } = node
      if (!ts.isExternalModuleReference(from)) return this.#entity(from)
      if (!ts.isStringLiteralLike(from.expression)) return open
      return { k: 'import', from: from.expression.text, name: '*', ...(node.isTypeOnly && { typeOnly: true as const }) }
    }
    let statement: TS.Node = node
    while (!ts.isImportDeclaration(statement)) {
      if (!statement.parent) return open
      statement = statement.parent
    }
    if (!ts.isStringLiteralLike(statement.moduleSpecifier)) return open
    const name = ts.isImportSpecifier(node)
      ? (node.propertyName ?? node.name).text
      : ts.isImportClause(node)
        ? 'default'
        : '*'
    const typeOnly =
      (ts.isImportSpecifier(node) && node.isTypeOnly) ||
      statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    return { k: 'import', from: statement.moduleSpecifier.text, name, ...(typeOnly && { typeOnly: true as const }) }
  }
}
