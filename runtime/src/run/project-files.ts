import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import ignore from 'ignore'

const run = promisify(execFile)

const sources = /\.[cm]?[jt]sx?$/
const notSources = /\.d\.[cm]?ts$|\.(?:test|spec|bench)\.[cm]?[jt]sx?$|\.config\.[cm]?[jt]s$/
const skipped: ReadonlySet<string> = new Set(['node_modules', 'dist', 'build', 'coverage', 'out'])
const mostFiles = 50_000

/** Source files of a project: those git lists, else a walk that respects .gitignore. No tests, no declarations, no node_modules. */
export async function projectFiles(folder: string): Promise<readonly string[]> {
  const listed = (await gitFiles(folder)) ?? walk(folder)
  return listed.filter((file) => {
    const parts = relative(folder, file).split(sep)
    return sources.test(file) && !notSources.test(file) && !parts.some((part) => skipped.has(part))
  })
}

async function gitFiles(folder: string): Promise<readonly string[] | undefined> {
  try {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const { stdout } = await run('git', args, { cwd: folder, timeout: 2000, maxBuffer: 64 << 20 })
    // A repository further up that ignores this folder (a home folder under git) says nothing about it.
    if (stdout === '') return undefined
    return stdout
      .split('\0')
      .filter((name) => name !== '')
      .map((name) => join(folder, name))
  } catch {
    return undefined // no git, or no repository
  }
}

function walk(folder: string): readonly string[] {
  const found: string[] = []
  const visit = (
    dir: string,
    rules: readonly { readonly base: string; readonly match: ReturnType<typeof ignore> }[],
  ): void => {
    const here = readIgnore(dir)
    const all = here ? [...rules, { base: dir, match: here }] : rules
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (found.length >= mostFiles || entry.name.startsWith('.') || skipped.has(entry.name)) continue
      const path = join(dir, entry.name)
      const suffix = entry.isDirectory() ? '/' : ''
      if (all.some(({ base, match }) => match.ignores(relative(base, path).split(sep).join('/') + suffix))) continue
      if (entry.isDirectory()) visit(path, all)
      else if (entry.isFile()) found.push(path)
    }
  }
  visit(folder, [])
  return found
}

function readIgnore(dir: string): ReturnType<typeof ignore> | undefined {
  try {
    return ignore().add(readFileSync(join(dir, '.gitignore'), 'utf8'))
  } catch {
    return undefined
  }
}

/** The files whose text matches; larger than 2 MB are not looked at. */
export function filesWith(files: readonly string[], pattern: RegExp): readonly string[] {
  return files.filter((file) => {
    try {
      return statSync(file).size < 2 << 20 && pattern.test(readFileSync(file, 'utf8'))
    } catch {
      return false
    }
  })
}
