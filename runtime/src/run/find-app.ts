import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { LoadError } from '../core/errors.ts'
import { filesWith, projectFiles } from './project-files.ts'

/** Where an app is: its module, and the export that holds it where that was said. */
export interface AppPlace {
  readonly file: string
  readonly exportName: string | undefined
  /** How it was found, for people: `-A`, `TQ_APP`, `package.json`, `tq.config.ts`, `search`. */
  readonly by: string
}

const definesApp = /\bnew\s+Tq\s*\(/
const configNames = ['tq.config.ts', 'tq.config.js', 'tq.config.mjs', 'tq.config.mts']

/**
 * Finds the app module: `-A`, then TQ_APP, then `tq.app` in the nearest package.json, then tq.config, then a search for `new Tq(`
 * in the project's files. Throws LoadError when there is none or more than one.
 */
export async function findApp(
  given: string | undefined,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AppPlace> {
  if (given !== undefined) return place(given, cwd, '-A')
  if (env.TQ_APP) return place(env.TQ_APP, cwd, 'TQ_APP')
  const project = projectFolder(cwd)
  const named = packageApp(project)
  if (named !== undefined) return place(named, project, 'package.json')
  const config = configNames.map((name) => join(project, name)).find((file) => existsSync(file))
  if (config !== undefined) return { file: config, exportName: undefined, by: relative(project, config) }
  return search(project)
}

/** The nearest folder upwards with a package.json, else `cwd` itself. */
export function projectFolder(cwd: string): string {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) return resolve(cwd)
  }
}

function packageApp(folder: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const tq = typeof parsed === 'object' && parsed !== null && 'tq' in parsed ? parsed.tq : undefined
    const app = typeof tq === 'object' && tq !== null && 'app' in tq ? tq.app : undefined
    return typeof app === 'string' ? app : undefined
  } catch {
    return undefined
  }
}

/** `module[:export]` -> an existing file. */
function place(text: string, base: string, by: string): AppPlace {
  const [, module = text, exportName] = /^(.+?)(?::([A-Za-z_$][\w$]*))?$/.exec(text) ?? []
  const path = isAbsolute(module) ? module : resolve(base, module)
  const tries = [path, ...['.ts', '.mts', '.js', '.mjs', '.tsx'].map((ext) => `${path}${ext}`), join(path, 'index.ts')]
  const file = tries.find((one) => existsSync(one) && statSync(one).isFile())
  if (file === undefined) throw new LoadError(`There is no app module '${module}' (from ${by}): looked for ${path}.`)
  return { file, exportName, by }
}

interface Remembered {
  readonly app: string
  readonly mtimeMs: number
  readonly size: number
}

async function search(project: string): Promise<AppPlace> {
  const memory = join(project, '.tq', 'app.json')
  const known = recall(memory)
  if (known !== undefined) return { file: known, exportName: undefined, by: 'search' }
  const hits = filesWith(await projectFiles(project), definesApp)
  const [first, second] = hits
  if (first === undefined) {
    throw new LoadError(
      `No tq app was found in ${project}: no file there says \`new Tq(\`. Name it with -A path/to/app.ts, TQ_APP, or "tq": { "app": … } in package.json.`,
    )
  }
  if (second !== undefined) {
    const list = hits.map((file) => `  ${relative(project, file)}`).join('\n')
    throw new LoadError(
      `${hits.length} files in ${project} make an app:\n${list}\nSay which one with -A, TQ_APP, or "tq": { "app": … } in package.json.`,
    )
  }
  remember(memory, first)
  return { file: first, exportName: undefined, by: 'search' }
}

function recall(memory: string): string | undefined {
  try {
    const { app, mtimeMs, size } = JSON.parse(readFileSync(memory, 'utf8')) as Remembered // checked by its use below
    const stat = statSync(app)
    return stat.mtimeMs === mtimeMs && stat.size === size ? app : undefined
  } catch {
    return undefined
  }
}

function remember(memory: string, app: string): void {
  if (!existsSync(dirname(memory))) {
    mkdirSync(dirname(memory), { mode: 0o700 })
    writeFileSync(join(dirname(memory), '.gitignore'), '*\n')
  }
  const { mtimeMs, size } = statSync(app)
  writeFileSync(memory, JSON.stringify({ app, mtimeMs, size } satisfies Remembered))
}
