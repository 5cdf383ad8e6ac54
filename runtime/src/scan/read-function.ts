import type { ts as TS } from 'ts-morph'
import type { Docs, FunctionInfo } from './file-summary.ts'
import type { Typescript } from './scopes.ts'
import type { Parameter } from './task-info.ts'

const javaScript = /\.[cm]?jsx?$/

/** Text of a node on one line, without comments' own line breaks. */
export function textOf(node: TS.Node, file: TS.SourceFile): string {
  return file.text
    .slice(node.getStart(file), node.end)
    .replace(/\/\*[\s\S]*?\*\/|(?<=[\s,;{])\/\/[^\n]*/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Parameters, return type and JSDoc of a function as written; `name` is what it gets from its binding. */
export function readFunction(
  ts: Typescript,
  file: TS.SourceFile,
  node: TS.SignatureDeclaration,
  name: string,
): FunctionInfo {
  const docs = docsOf(ts, node)
  const parameters = node.parameters
    .filter((one) => !(ts.isIdentifier(one.name) && one.name.text === 'this'))
    .map((one) => readParameter(ts, file, one, docs))
  const returns = node.type ? textOf(node.type, file) : docs.returns
  return {
    name,
    parameters,
    ...(returns !== undefined && { returns }),
    ...(docs.text !== undefined && { doc: docs.text }),
  }
}

function readParameter(ts: Typescript, file: TS.SourceFile, node: TS.ParameterDeclaration, docs: Docs): Parameter {
  const name = ts.isIdentifier(node.name)
    ? node.name.text
    : ts.isObjectBindingPattern(node.name)
      ? `{ ${namesIn(ts, node.name)} }`
      : `[${namesIn(ts, node.name)}]`
  const doc = Object.hasOwn(docs.parameters, name) ? docs.parameters[name] : undefined
  const type = node.type ? textOf(node.type, file) : (doc?.type ?? literalType(ts, node.initializer))
  const optional = node.questionToken !== undefined || node.initializer !== undefined || doc?.optional === true
  return {
    name,
    ...(type !== undefined && { type }),
    ...(optional && !node.dotDotDotToken && { optional: true as const }),
    ...(node.dotDotDotToken && { rest: true as const }),
    ...(node.initializer && { default: textOf(node.initializer, file) }),
    ...(doc?.text !== undefined && { doc: doc.text }),
  }
}

function namesIn(ts: Typescript, pattern: TS.BindingPattern): string {
  return pattern.elements
    .map((one) => (ts.isBindingElement(one) && ts.isIdentifier(one.name) ? one.name.text : '…'))
    .join(', ')
}

function literalType(ts: Typescript, node: TS.Expression | undefined): string | undefined {
  if (!node) return undefined
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) return 'string'
  if (ts.isNumericLiteral(node)) return 'number'
  if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand)) return 'number'
  if (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) return 'boolean'
  if (ts.isBigIntLiteral(node)) return 'bigint'
  return undefined
}

/** The JSDoc of a node. */
export function docsOf(ts: Typescript, node: TS.Node): Docs {
  let text: string | undefined
  let returns: string | undefined
  const parameters: Record<string, Docs['parameters'][string]> = {}
  for (const doc of ts.getJSDocCommentsAndTags(node)) {
    const tags = ts.isJSDoc(doc) ? (doc.tags ?? []) : [doc]
    if (ts.isJSDoc(doc)) text = ts.getTextOfJSDocComment(doc.comment)?.trim() || text
    const file = node.getSourceFile()
    const inJavaScript = javaScript.test(file.fileName)
    for (const tag of tags) {
      const type = inJavaScript ? typeOf(ts, tag, file) : undefined
      if (ts.isJSDocParameterTag(tag) && ts.isIdentifier(tag.name)) {
        const own = ts
          .getTextOfJSDocComment(tag.comment)
          ?.replace(/^\s*-\s*/, '')
          .trim()
        const optional = inJavaScript && tag.isBracketed
        parameters[tag.name.text] = { ...(own && { text: own }), ...type, ...(optional && { optional }) }
      } else if (ts.isJSDocReturnTag(tag) && type) returns = type.type
    }
  }
  return { ...(text && { text }), ...(returns !== undefined && { returns }), parameters }
}

function typeOf(ts: Typescript, tag: TS.JSDocTag, file: TS.SourceFile): { readonly type: string } | undefined {
  if (!ts.isJSDocParameterTag(tag) && !ts.isJSDocReturnTag(tag)) return undefined
  return tag.typeExpression ? { type: textOf(tag.typeExpression.type, file) } : undefined
}
