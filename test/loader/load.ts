import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { type RunningProcess, spawnNode } from '../helpers/process.ts'
import type { Project } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'

export interface Loaded {
  readonly main: string
  readonly file: string
  readonly projectFolder: string
  readonly tasks: readonly string[]
  readonly taskFiles: readonly string[]
  readonly exports: readonly string[]
  readonly failures: readonly { readonly file: string; readonly line?: number; readonly message: string }[]
  readonly db: string
  /** Name and text of the LoadError in place of all else. */
  readonly error?: string
}

export interface LoadRequest {
  readonly app?: string
  /** Below the project's folder. */
  readonly cwd?: string
  readonly include?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A process that loads projects, one for all tests of a file. Call it at the file's top. */
export function loader(): (project: Project, request?: LoadRequest) => Promise<Loaded> {
  const program: RunningProcess = spawnNode([fileURLToPath(new URL('loader-child.ts', import.meta.url))], {
    cleanEnv: true,
  })
  let asked = 0
  afterAll(async () => {
    program.child.stdin?.end()
    await program.stop()
  })
  return async (project, { cwd = '', env = {}, ...request } = {}) => {
    const number = asked++
    program.write(`${JSON.stringify({ ...request, env, cwd: project.path(cwd) })}\n`)
    const line = await waitFor(() => program.stdout.split('\n').slice(0, -1)[number], {
      what: `the loader's answer; ${program.stderr}`,
    })
    return JSON.parse(line) as Loaded
  }
}

/** Source of an app module; `options` as source text. */
export function appSource(name: string, options = ''): string {
  return `import { Tq } from 'tq-runtime'\nexport const app = new Tq('${name}'${options && `, ${options}`})\n`
}

/** Source of a task module that imports its app from `from`. */
export function taskSource(name: string, from: string): string {
  return `import { app } from '${from}'\nexport const ${name} = app.task('${name}', () => '${name}')\n`
}
