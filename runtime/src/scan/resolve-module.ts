import { posix } from 'node:path'

/** What the resolver asks of the folder. Paths are relative to it, with `/`. */
export interface ModuleFiles {
  /** Whether it is among the listed source files. */
  has(path: string): boolean
  /** Text of a file that is not source: package.json, tsconfig.json. Undefined where there is none. */
  config(path: string): string | undefined
  /** Folders with a package.json, by the package's name. */
  packages(): ReadonlyMap<string, string>
}

interface PathRules {
  readonly base: string
  readonly paths: readonly (readonly [string, readonly string[]])[]
  readonly hasBaseUrl: boolean
}

const extensions = ['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs']
const sourcesOf: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx', '.js', '.jsx'],
  '.jsx': ['.tsx', '.jsx'],
  '.mjs': ['.mts', '.mjs'],
  '.cjs': ['.cts', '.cjs'],
}

/**
 * Finds the source that an import means: relative paths with or without extension, tsconfig `paths` and `baseUrl`,
 * package.json `imports`, packages of the workspace (their source, never their build). Everything else is somebody else's.
 */
export class ModuleResolver {
  readonly #files: ModuleFiles
  readonly #rules = new Map<string, PathRules | undefined>()
  readonly #manifests = new Map<string, Readonly<Record<string, unknown>> | undefined>()

  constructor(files: ModuleFiles) {
    this.#files = files
  }

  /** Forgets what was read of configuration files. */
  reset(): void {
    this.#rules.clear()
    this.#manifests.clear()
  }

  /** `probed` is told each path, without extension, whose appearance could change the answer. */
  resolve(from: string, specifier: string, probed: (stem: string) => void): string | undefined {
    const folder = posix.dirname(from)
    if (specifier.startsWith('.')) return this.#source(posix.join(folder, specifier), probed)
    if (specifier.startsWith('#')) return this.#imports(folder, specifier, probed)
    return this.#mapped(folder, specifier, probed) ?? this.#package(specifier, probed)
  }

  #source(path: string, probed: (stem: string) => void): string | undefined {
    const clean = path.replace(/\/$/, '')
    if (clean.startsWith('..')) return undefined
    probed(stemOf(clean))
    const extension = posix.extname(clean)
    const stem = clean.slice(0, clean.length - extension.length)
    const written = sourcesOf[extension]
    if (written) {
      for (const one of written) if (this.#files.has(stem + one)) return stem + one
    }
    if (this.#files.has(clean)) return clean
    for (const one of extensions) if (this.#files.has(clean + one)) return clean + one
    for (const one of extensions) if (this.#files.has(`${clean}/index${one}`)) return `${clean}/index${one}`
    return undefined
  }

  #imports(folder: string, specifier: string, probed: (stem: string) => void): string | undefined {
    for (const at of upwards(folder)) {
      const manifest = this.#manifest(at)
      if (!manifest) continue
      return this.#target(at, manifest.imports, specifier, probed)
    }
    return undefined
  }

  #package(specifier: string, probed: (stem: string) => void): string | undefined {
    const words = specifier.split('/')
    const name = words.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
    const folder = this.#files.packages().get(name)
    if (folder === undefined) return undefined
    const manifest = this.#manifest(folder)
    const inner = specifier.slice(name.length + 1)
    const exported = typeof manifest?.exports === 'object' ? manifest.exports : { '.': manifest?.exports }
    const key = inner === '' ? '.' : `./${inner}`
    const found =
      this.#target(folder, hasSubpaths(exported) ? exported : { '.': exported }, key, probed) ??
      (inner === '' && typeof manifest?.main === 'string' ? this.#sourceOf(folder, manifest.main, probed) : undefined)
    return (
      found ??
      this.#source(posix.join(folder, 'src', inner === '' ? 'index' : inner), probed) ??
      this.#source(posix.join(folder, inner === '' ? 'index' : inner), probed)
    )
  }

  /** Follows `imports` or `exports` to the first target that has a source. */
  #target(folder: string, map: unknown, key: string, probed: (stem: string) => void): string | undefined {
    if (!isRecord(map)) return undefined
    for (const [pattern, target] of Object.entries(map)) {
      const star = matchStar(pattern, key)
      if (star === undefined) continue
      for (const one of leaves(target)) {
        const found = this.#sourceOf(folder, one.replaceAll('*', star), probed)
        if (found !== undefined) return found
      }
    }
    return undefined
  }

  /** A built file's source: the same path under `src`. */
  #sourceOf(folder: string, target: string, probed: (stem: string) => void): string | undefined {
    const path = posix.join(folder, target)
    const built = path.replace(/(^|\/)(?:dist|lib|build|out)(?:\/(?:esm|cjs))?\//, '$1src/')
    return (
      this.#source(path.replace(/\.d(\.[cm]?ts)$/, '$1'), probed) ??
      (built === path ? undefined : this.#source(built, probed))
    )
  }

  #mapped(folder: string, specifier: string, probed: (stem: string) => void): string | undefined {
    for (const at of upwards(folder)) {
      const rules = this.#rulesOf(at)
      if (!rules) continue
      for (const [pattern, targets] of rules.paths) {
        const star = matchStar(pattern, specifier)
        if (star === undefined) continue
        for (const target of targets) {
          const found = this.#source(posix.join(rules.base, target.replace('*', star)), probed)
          if (found !== undefined) return found
        }
      }
      return rules.hasBaseUrl ? this.#source(posix.join(rules.base, specifier), probed) : undefined
    }
    return undefined
  }

  #rulesOf(folder: string): PathRules | undefined {
    if (this.#rules.has(folder)) return this.#rules.get(folder)
    const rules =
      this.#readRules(posix.join(folder, 'tsconfig.json'), 0) ?? this.#readRules(posix.join(folder, 'jsconfig.json'), 0)
    this.#rules.set(folder, rules)
    return rules
  }

  #readRules(path: string, depth: number): PathRules | undefined {
    const text = this.#files.config(path)
    const config = text === undefined || depth > 8 ? undefined : parseJsonc(text)
    if (!isRecord(config)) return undefined
    const folder = posix.dirname(path)
    const options = isRecord(config.compilerOptions) ? config.compilerOptions : {}
    const parents = (Array.isArray(config.extends) ? config.extends : [config.extends]).filter(isText)
    let inherited: PathRules = { base: folder, paths: [], hasBaseUrl: false }
    for (const parent of parents) {
      if (!parent.startsWith('.')) continue
      const file = posix.join(folder, parent)
      inherited = this.#readRules(file.endsWith('.json') ? file : `${file}.json`, depth + 1) ?? inherited
    }
    const base = typeof options.baseUrl === 'string' ? posix.join(folder, options.baseUrl) : undefined
    if (!isRecord(options.paths)) return base === undefined ? inherited : { ...inherited, base, hasBaseUrl: true }
    const paths = Object.entries(options.paths).map(
      ([pattern, targets]) => [pattern, Array.isArray(targets) ? targets.filter(isText) : []] as const,
    )
    return { base: base ?? folder, paths, hasBaseUrl: base !== undefined || inherited.hasBaseUrl }
  }

  #manifest(folder: string): Readonly<Record<string, unknown>> | undefined {
    if (this.#manifests.has(folder)) return this.#manifests.get(folder)
    const text = this.#files.config(posix.join(folder, 'package.json'))
    const parsed = text === undefined ? undefined : parseJsonc(text)
    const manifest = isRecord(parsed) ? parsed : undefined
    this.#manifests.set(folder, manifest)
    return manifest
  }
}

/** A path as imports may mean it: without extension, and a folder for its index. */
export function stemOf(path: string): string {
  return path.replace(/\.[cm]?[jt]sx?$/, '').replace(/\/index$/, '')
}

function upwards(folder: string): readonly string[] {
  const found: string[] = []
  for (let at = folder; ; at = posix.dirname(at)) {
    found.push(at)
    if (at === '.' || at === '/' || at === '') return found
  }
}

/** What `*` stands for, empty where the pattern has none, undefined where it does not match. */
function matchStar(pattern: string, text: string): string | undefined {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === text ? '' : undefined
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)]
  const fits = text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail)
  return fits ? text.slice(head.length, text.length - tail.length) : undefined
}

function leaves(target: unknown): readonly string[] {
  if (typeof target === 'string') return [target]
  if (Array.isArray(target)) return target.flatMap(leaves)
  return isRecord(target) ? Object.values(target).flatMap(leaves) : []
}

function hasSubpaths(exported: unknown): boolean {
  return isRecord(exported) && Object.keys(exported).some((key) => key.startsWith('.'))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** JSON with comments and trailing commas; undefined where it is not even that. */
function parseJsonc(text: string): unknown {
  const plain = text
    .replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (found) => (found.startsWith('"') ? found : ' '))
    .replace(/"(?:\\.|[^"\\])*"|,(?=\s*[\]}])/g, (found) => (found === ',' ? '' : found))
  try {
    return JSON.parse(plain)
  } catch {
    return undefined
  }
}
