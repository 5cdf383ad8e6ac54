import { glob } from 'node:fs/promises'
import { realpathSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { sitesOf } from '../app/call-site.ts'
import type { TqApp } from '../app/tq.ts'
import { LoadError } from '../core/errors.ts'
import { type AppPlace, findApp, projectFolder } from './find-app.ts'
import { filesWith, projectFiles } from './project-files.ts'
import { importModule } from './typescript.ts'

const appBrand: unique symbol = Symbol.for('tq.App')
const definesTask = /\.\s*(?:task|registerTask)\s*(?:<[^>]*>)?\s*\(|\bsharedTask\s*(?:<[^>]*>)?\s*\(/

export interface LoadOptions {
  /** `module[:export]`; default: found, see `findApp`. */
  readonly app?: string | undefined
  /** Default the working folder. */
  readonly cwd?: string | undefined
  /** Further globs relative to the app module, as `-I`. */
  readonly include?: readonly string[] | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** An app with its tasks imported. */
export interface LoadedApp {
  readonly app: TqApp
  /** The app's module. */
  readonly file: string
  readonly projectFolder: string
  /** Modules in which tasks were looked for, the app's own not among them unless it has some. */
  readonly taskFiles: readonly string[]
  /** Named exports of all of these modules. */
  readonly exports: Readonly<Record<string, unknown>>
  /** Modules that threw while they were imported; the tasks of the others are registered. */
  readonly failures: readonly LoadFailure[]
}

export interface LoadFailure {
  readonly file: string
  readonly line: number | undefined
  readonly message: string
}

/**
 * Finds and imports the user's app and task modules: the one way for worker, CLI, REPL and run child.
 * Throws LoadError when the app itself cannot be had; a task module that throws is listed in `failures`.
 */
export async function loadApp(options: LoadOptions = {}): Promise<LoadedApp> {
  const cwd = options.cwd ?? process.cwd()
  const place = await findApp(options.app, cwd, options.env ?? process.env)
  const { app, module, file } = await loadAppModule(place)
  app.file = realpathSync(file)
  const project = projectFolder(dirname(app.file))
  const exports: Record<string, unknown> = { ...named(module) }
  app.use(module)
  const taskFiles = await taskModules(app, app.file, project, options.include ?? [])
  await app.signals.emit('importModules', () => ({ sender: app.main, modules: taskFiles }))
  const failures: LoadFailure[] = []
  for (const one of taskFiles) {
    try {
      const loaded = await importModule(one, project)
      app.use(loaded)
      Object.assign(exports, named(loaded))
    } catch (error) {
      failures.push(failureIn(one, error))
    }
  }
  for (const { file: at, line, message } of failures) {
    const where = `${relative(cwd, at) || at}${line === undefined ? '' : `:${line}`}`
    app.logger.error(`Could not import ${where}; its tasks are not registered. ${message}`)
  }
  return { app, file: app.file, projectFolder: project, taskFiles, exports, failures }
}

async function loadAppModule(
  place: AppPlace,
): Promise<{ readonly app: TqApp; readonly module: Readonly<Record<string, unknown>>; readonly file: string }> {
  const { file, exportName } = place
  const module = await importApp(file)
  const config = module.default
  if (isRecord(config) && !isApp(config) && typeof config.app === 'string') {
    return loadAppModule({ file: resolve(dirname(file), config.app), exportName: undefined, by: place.by })
  }
  if (exportName !== undefined) {
    const value = module[exportName]
    const app = isApp(value) ? value : typeof value === 'function' ? await (value as () => unknown)() : undefined
    if (!isApp(app))
      throw new LoadError(`Export '${exportName}' of ${file} is no tq app, nor a function that makes one.`)
    return { app, module, file }
  }
  const apps = [...new Set(Object.values(module).filter(isApp))]
  const [app, other] = apps
  if (!app) {
    throw new LoadError(
      `${file} exports no tq app. Export it: \`export const app = new Tq('name')\`, or say -A ${file}:name.`,
    )
  }
  if (other) {
    const names = Object.keys(module).filter((name) => isApp(module[name]))
    throw new LoadError(
      `${file} exports ${apps.length} apps: ${names.join(', ')}. Say which one: -A ${file}:${names[0]}.`,
    )
  }
  return { app, module, file }
}

async function importApp(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await importModule(file, projectFolder(dirname(file)))
  } catch (error) {
    if (error instanceof LoadError) throw error
    const { line, message } = failureIn(file, error)
    throw new LoadError(`Could not import the app ${file}${line === undefined ? '' : `:${line}`}. ${message}`, {
      cause: error,
    })
  }
}

/** The modules that may define tasks: those that are named, else those in which a definition is found. */
async function taskModules(
  app: TqApp,
  appFile: string,
  project: string,
  extra: readonly string[],
): Promise<readonly string[]> {
  const { include, imports } = app.settings
  const patterns = [...include, ...imports, ...app.discovered, ...extra]
  if (include.length + imports.length + app.discovered.length > 0) return matching(patterns, dirname(appFile))
  const found = filesWith(await projectFiles(project), definesTask)
  return [...new Set([...found.map((file) => realpathSync(file)), ...(await matching(extra, dirname(appFile)))])]
}

async function matching(patterns: readonly string[], folder: string): Promise<readonly string[]> {
  const files = new Set<string>()
  for (const pattern of patterns) {
    const before = files.size
    for await (const file of glob(pattern, { cwd: folder })) files.add(realpathSync(resolve(folder, file)))
    if (files.size === before) {
      throw new LoadError(`No file matches '${pattern}' (from include, imports or -I), looked for in ${folder}.`)
    }
  }
  return [...files].sort()
}

function named(module: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(module).filter(([name]) => name !== 'default'))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isApp(value: unknown): value is TqApp {
  return isRecord(value) && appBrand in value
}

/** Where and why an import failed, the innermost place in that very file. */
function failureIn(file: string, error: unknown): LoadFailure {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const frame = sitesOf(stack).find((site) => site.file === file)
  const head = /^(?:file:\/\/)?(\/[^\n]*?|[A-Za-z]:[^\n]*?):(\d+)\n/.exec(stack)
  const line = frame?.line ?? (head && head[1] === file ? Number(head[2]) : undefined)
  return { file, line, message }
}
