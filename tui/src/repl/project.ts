import { createRequire, registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Imports as a file at the root of the project would make them. */
export interface ProjectModules {
  /** Throws when a name is not exported: a missing import is never silently `undefined`. */
  readonly import: (
    specifier: unknown,
    names?: readonly string[] | object,
    attributes?: Readonly<Record<string, string>>,
  ) => Promise<unknown>
  /** What `import.meta` is in such a file. */
  readonly meta: Readonly<Record<string, unknown>>
  readonly require: NodeJS.Require
  /** esbuild of the project, when it has one: Node runs no decorators. */
  lowerDecorators(): ((code: string) => string) | undefined
}

const scheme = 'tq-repl:'

export function projectModules(projectFolder: string): ProjectModules {
  const file = join(projectFolder, 'repl.ts')
  const parentURL = pathToFileURL(file).href
  const require = createRequire(file)
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (!specifier.startsWith(scheme)) return nextResolve(specifier, context)
      return nextResolve(specifier.slice(scheme.length), { ...context, parentURL })
    },
  })
  return {
    require,
    meta: { url: parentURL, filename: file, dirname: projectFolder, main: false },
    async import(specifier, names = [], attributes) {
      const options = attributes === undefined ? optionsOf(names) : { with: attributes }
      const module: unknown = await import(`${scheme}${String(specifier)}`, options)
      if (typeof module !== 'object' || module === null || !isNames(names)) return module
      const missing = names.find((name) => !(name in module))
      if (missing === undefined) return module
      throw new SyntaxError(
        `'${String(specifier)}' does not export '${missing}'. If it is a type, write: import type { ${missing} }`,
      )
    },
    lowerDecorators: () => findEsbuild(require),
  }
}

function isNames(second: readonly string[] | object): second is readonly string[] {
  return Array.isArray(second)
}

/** `import(specifier, { with: … })` passes its second argument where generated code passes names. */
function optionsOf(second: object): ImportCallOptions {
  return Array.isArray(second) ? {} : { ...second }
}

function findEsbuild(require: NodeJS.Require): ((code: string) => string) | undefined {
  const found = load(require, 'esbuild') ?? loadThrough(require, ['tsx', 'vite'])
  if (typeof found !== 'object' || found === null || !('transformSync' in found)) return undefined
  const { transformSync } = found
  if (typeof transformSync !== 'function') return undefined
  return (code) => {
    const output: unknown = Reflect.apply(transformSync, found, [
      code,
      { loader: 'js', target: 'es2022', format: 'esm' },
    ])
    return typeof output === 'object' && output !== null && 'code' in output ? String(output.code) : code
  }
}

function loadThrough(require: NodeJS.Require, owners: readonly string[]): unknown {
  for (const owner of owners) {
    try {
      const found = load(createRequire(require.resolve(`${owner}/package.json`)), 'esbuild')
      if (found !== undefined) return found
    } catch {
      // not installed
    }
  }
  return undefined
}

function load(require: NodeJS.Require, name: string): unknown {
  try {
    return require(name)
  } catch {
    return undefined
  }
}
