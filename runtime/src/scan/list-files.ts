import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import ignore from 'ignore'

const run = promisify(execFile)

const sources = /\.[cm]?[jt]sx?$/
const declarations = /\.d\.[cm]?ts$|\.d\.[^./]+\.ts$/
const skippedFolders: ReadonlySet<string> = new Set(['node_modules', 'dist', 'build', 'coverage', 'out', '.git', '.tq'])
const inSkipped = new RegExp(`(?:^|/)(?:${[...skippedFolders].join('|').replaceAll('.', '\\.')})/`)
const mostFiles = 200_000

/** What a folder holds, relative to it, with `/`; sorted. */
export interface Listing {
  readonly sources: readonly string[]
  /** package.json files: packages of the workspace. */
  readonly manifests: readonly string[]
}

/**
 * Lists a folder's source files: those that git lists, else a walk that respects .gitignore. No declarations, no
 * node_modules, no build folders; symbolic links are not followed, so that nothing is seen twice.
 */
export async function listFiles(folder: string): Promise<Listing> {
  const listed = await gitFiles(folder, [])
  // Git knows nothing of a folder that its parent ignores.
  const all = listed && listed.length > 0 ? listed : walk(folder)
  const manifests: string[] = []
  const found: string[] = []
  for (const file of all) {
    if (isInSkipped(file)) continue
    if (isSource(file)) found.push(file)
    else if (posix.basename(file) === 'package.json') manifests.push(file)
  }
  return { sources: found.sort(), manifests: manifests.sort() }
}

/** Which of these paths belong to the listing of the folder. */
export async function admitted(folder: string, paths: readonly string[]): Promise<readonly string[]> {
  const wanted = paths.filter((path) => isSource(path) && !isInSkipped(path))
  if (wanted.length === 0) return []
  const known = await gitFiles(folder, ['--', ...wanted.map((path) => `:(literal)${path}`)])
  if (known === undefined) return wanted.filter((path) => !isIgnored(folder, path))
  const found = new Set(known)
  // A buffer that was never saved is no file yet: it is judged by the rules alone.
  return wanted.filter((path) => found.has(path) || !isIgnored(folder, path))
}

/** Whether the name is that of source the scanner reads. */
export function isSource(path: string): boolean {
  return sources.test(path) && !declarations.test(path)
}

function isInSkipped(path: string): boolean {
  return inSkipped.test(path)
}

/** Undefined without git or outside a repository. A repository's own configuration must not run anything here. */
async function gitFiles(folder: string, paths: readonly string[]): Promise<readonly string[] | undefined> {
  const quiet = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null']
  try {
    const args = [...quiet, 'ls-files', '-z', '--cached', '--others', '--exclude-standard', ...paths]
    const { stdout } = await run('git', args, { cwd: folder, timeout: 10_000, maxBuffer: 256 << 20 })
    return [...new Set(stdout.split('\0').filter((name) => name !== ''))]
  } catch {
    return undefined
  }
}

interface Rules {
  readonly base: string
  readonly match: ReturnType<typeof ignore>
}

function walk(folder: string): readonly string[] {
  const found: string[] = []
  const visit = (dir: string, rules: readonly Rules[]): void => {
    const here = readRules(folder, dir)
    const all = here ? [...rules, here] : rules
    let entries
    try {
      entries = readdirSync(join(folder, dir), { withFileTypes: true })
    } catch {
      return // no right to look into it
    }
    for (const entry of entries) {
      if (found.length >= mostFiles) return
      const path = dir === '' ? entry.name : `${dir}/${entry.name}`
      if (entry.isDirectory()) {
        const skipped = skippedFolders.has(entry.name) || entry.name.startsWith('.')
        if (!skipped && !isMatched(all, `${path}/`)) visit(path, all)
      } else if (entry.isFile() && !isMatched(all, path)) found.push(path)
    }
  }
  visit('', [])
  return found
}

function isIgnored(folder: string, path: string): boolean {
  const words = path.split('/')
  const rules: Rules[] = []
  for (let depth = 0; depth < words.length; depth++) {
    const here = readRules(folder, words.slice(0, depth).join('/'))
    if (here) rules.push(here)
    const own = words.slice(0, depth + 1).join('/')
    if (isMatched(rules, depth === words.length - 1 ? own : `${own}/`)) return true
  }
  return false
}

function isMatched(rules: readonly Rules[], path: string): boolean {
  // The nearest .gitignore has the last word.
  for (const { base, match } of rules.toReversed()) {
    const inner = base === '' ? path : path.slice(base.length + 1)
    const { ignored, unignored } = match.test(inner)
    if (ignored) return true
    if (unignored) return false
  }
  return false
}

function readRules(folder: string, dir: string): Rules | undefined {
  try {
    return { base: dir, match: ignore().add(readFileSync(join(folder, dir, '.gitignore'), 'utf8')) }
  } catch {
    return undefined
  }
}

/** A path as the scanner writes it: relative to the folder, `/` between; undefined outside of it. */
export function pathWithin(folder: string, path: string): string | undefined {
  const inner = relative(folder, resolve(folder, path))
  const plain = sep === '/' ? inner : inner.split(sep).join('/')
  return plain === '' || plain.startsWith('../') ? undefined : plain
}
