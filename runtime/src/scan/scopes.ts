import type { ts as TS } from 'ts-morph'

export type Typescript = typeof TS

/** The names that one block, function or file declares, each with the node that declares it. */
type Scope = ReadonlyMap<string, TS.Node>

/** Finds what a name means at a place, by the language's rules of scope: nearest declaration wins, `var` is hoisted. */
export class Scopes {
  readonly #ts: Typescript
  readonly #scopes = new Map<TS.Node, Scope>()
  readonly #kinds: ReadonlySet<TS.SyntaxKind>
  readonly #hasVar: boolean

  constructor(ts: Typescript, file: TS.SourceFile) {
    this.#ts = ts
    this.#kinds = scopeKinds(ts)
    this.#hasVar = /\bvar\b/.test(file.text)
  }

  /** The declaring node; undefined for globals. */
  declarationOf(name: string, from: TS.Node): TS.Node | undefined {
    let at: TS.Node | undefined = from.parent
    while (at) {
      const found = this.#kinds.has(at.kind) ? this.#scopeOf(at)?.get(name) : undefined
      if (found) return found
      at = at.parent
    }
    return undefined
  }

  #scopeOf(node: TS.Node): Scope | undefined {
    const known = this.#scopes.get(node)
    if (known) return known
    const scope = this.#build(node)
    if (scope) this.#scopes.set(node, scope)
    return scope
  }

  #build(node: TS.Node): Scope | undefined {
    const ts = this.#ts
    const names = new Map<string, TS.Node>()
    if (ts.isSourceFile(node) || ts.isBlock(node) || ts.isModuleBlock(node)) {
      for (const statement of node.statements) this.#declare(statement, names)
      if (this.#hasVar && (!ts.isBlock(node) || ts.isFunctionLike(node.parent))) this.#hoist(node, names)
      return names
    }
    if (ts.isCaseBlock(node)) {
      for (const clause of node.clauses) for (const statement of clause.statements) this.#declare(statement, names)
      return names
    }
    if (ts.isFunctionLike(node)) {
      for (const parameter of node.parameters) this.#declareName(parameter.name, parameter, names)
      if (ts.isFunctionExpression(node) && node.name && !names.has(node.name.text)) names.set(node.name.text, node)
      return names
    }
    if (ts.isForStatement(node) || ts.isForInStatement(node) || ts.isForOfStatement(node)) {
      if (node.initializer && ts.isVariableDeclarationList(node.initializer)) this.#declareList(node.initializer, names)
      return names
    }
    if (ts.isCatchClause(node)) {
      if (node.variableDeclaration) this.#declareName(node.variableDeclaration.name, node.variableDeclaration, names)
      return names
    }
    if (ts.isClassExpression(node) && node.name) {
      names.set(node.name.text, node)
      return names
    }
    return undefined
  }

  #declare(statement: TS.Statement, names: Map<string, TS.Node>): void {
    const ts = this.#ts
    if (ts.isVariableStatement(statement)) this.#declareList(statement.declarationList, names)
    else if (ts.isFunctionDeclaration(statement)) {
      // Of overloads the first is kept: it is what callers see.
      if (statement.name && !names.has(statement.name.text)) names.set(statement.name.text, statement)
    } else if (ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement)) {
      if (statement.name) names.set(statement.name.text, statement)
    } else if (ts.isModuleDeclaration(statement)) {
      if (ts.isIdentifier(statement.name) && !names.has(statement.name.text)) names.set(statement.name.text, statement)
    } else if (ts.isImportEqualsDeclaration(statement)) names.set(statement.name.text, statement)
    else if (ts.isImportDeclaration(statement)) this.#declareImport(statement.importClause, names)
  }

  #declareImport(clause: TS.ImportClause | undefined, names: Map<string, TS.Node>): void {
    if (!clause) return
    if (clause.name) names.set(clause.name.text, clause)
    const bindings = clause.namedBindings
    if (!bindings) return
    if (this.#ts.isNamespaceImport(bindings)) names.set(bindings.name.text, bindings)
    else for (const element of bindings.elements) names.set(element.name.text, element)
  }

  #declareList(list: TS.VariableDeclarationList, names: Map<string, TS.Node>): void {
    for (const one of list.declarations) this.#declareName(one.name, one, names)
  }

  #declareName(name: TS.BindingName, node: TS.Node, names: Map<string, TS.Node>): void {
    const ts = this.#ts
    if (ts.isIdentifier(name)) names.set(name.text, node)
    else {
      for (const element of name.elements) {
        if (ts.isBindingElement(element)) this.#declareName(element.name, element, names)
      }
    }
  }

  /** `var` of inner blocks belongs to the function or file around them. */
  #hoist(node: TS.Node, names: Map<string, TS.Node>): void {
    const ts = this.#ts
    const visit = (inner: TS.Node): void => {
      if (ts.isFunctionLike(inner) || ts.isClassLike(inner) || ts.isExpression(inner)) return
      if (ts.isVariableDeclarationList(inner) && !(inner.flags & ts.NodeFlags.BlockScoped)) {
        for (const one of inner.declarations) {
          if (!ts.isIdentifier(one.name) || !names.has(one.name.text)) this.#declareName(one.name, one, names)
        }
        return
      }
      ts.forEachChild(inner, visit)
    }
    ts.forEachChild(node, visit)
  }
}

/** Kinds of nodes that declare names; asking by number first is most of the speed here. */
function scopeKinds(ts: Typescript): ReadonlySet<TS.SyntaxKind> {
  const kind = ts.SyntaxKind
  return new Set([
    kind.SourceFile,
    kind.Block,
    kind.ModuleBlock,
    kind.CaseBlock,
    kind.ArrowFunction,
    kind.FunctionExpression,
    kind.FunctionDeclaration,
    kind.MethodDeclaration,
    kind.Constructor,
    kind.GetAccessor,
    kind.SetAccessor,
    kind.ForStatement,
    kind.ForInStatement,
    kind.ForOfStatement,
    kind.CatchClause,
    kind.ClassExpression,
  ])
}
