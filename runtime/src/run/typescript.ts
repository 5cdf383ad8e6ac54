import { existsSync, readFileSync } from 'node:fs'
import { createRequire, registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LoadError } from '../core/errors.ts'

const registered: unique symbol = Symbol.for('tq.resolveHook')

/**
 * Teaches this process what people write in TypeScript: `./x.js` and `./x` for `x.ts`. Node strips the types itself.
 * Once per process, however many copies of the package there are.
 */
export function resolveTypeScript(): void {
  if (Object.hasOwn(globalThis, registered)) return
  Object.defineProperty(globalThis, registered, { value: true })
  registerHooks({
    resolve(specifier, context, next) {
      if (!/^\.{1,2}\/|^file:/.test(specifier) || context.parentURL?.includes('/node_modules/')) {
        return next(specifier, context)
      }
      try {
        return next(specifier, context)
      } catch (error) {
        const other = typeScriptOf(specifier, context.parentURL)
        if (other === undefined) throw error
        return next(other, context)
      }
    },
  })
}

function typeScriptOf(specifier: string, parent: string | undefined): string | undefined {
  const url = URL.parse(specifier, parent)
  if (url?.protocol !== 'file:') return undefined
  const { search } = url
  url.search = ''
  const path = fileURLToPath(url)
  const tries = [
    path.replace(/\.js$/, '.ts'),
    path.replace(/\.mjs$/, '.mts'),
    `${path}.ts`,
    `${path}.js`,
    `${path}/index.ts`,
    `${path}/index.js`,
  ]
  const found = tries.find((one) => one !== path && existsSync(one))
  return found === undefined ? undefined : `${pathToFileURL(found).href}${search}`
}

/**
 * Imports a module of the project. What Node cannot strip (enums, namespaces, parameter properties, decorators, .tsx) is
 * given to the project's own tsx; without one the LoadError names the construct and the two ways out.
 */
export async function importModule(file: string, project: string): Promise<Readonly<Record<string, unknown>>> {
  resolveTypeScript()
  const url = pathToFileURL(file).href
  try {
    return (await import(url)) as Record<string, unknown> // a module namespace
  } catch (error) {
    const construct = unsupported(error, file)
    if (construct === undefined) throw error
    if (!(await registerTsx(project))) {
      throw new LoadError(
        `${file} needs more than Node's type stripping: ${construct}. Either add tsx to the project (npm install --save-dev tsx) or write it without (erasableSyntaxOnly in tsconfig.json finds such places).`,
        { cause: error },
      )
    }
    return (await import(`${url}?tsx`)) as Record<string, unknown> // a module namespace
  }
}

function unsupported(error: unknown, file: string): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return error.message.split('\n').at(-1) ?? error.message
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && error.message.includes('.tsx')) return 'a .tsx file'
  // Stripping leaves decorators as they are, and V8 names neither them nor their place.
  if (error.name === 'SyntaxError' && code === undefined && hasDecorator(file)) return 'a decorator'
  return undefined
}

function hasDecorator(file: string): boolean {
  return /\.[cm]?tsx?$/.test(file) && /^\s*@[\w$]/m.test(readFileSync(file, 'utf8'))
}

async function registerTsx(project: string): Promise<boolean> {
  let path: string
  try {
    path = createRequire(`${project}/`).resolve('tsx/esm/api')
  } catch {
    return false
  }
  const api = (await import(pathToFileURL(path).href)) as { readonly register: () => unknown } // tsx's documented API
  api.register()
  return true
}
