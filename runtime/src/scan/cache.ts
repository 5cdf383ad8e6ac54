import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { version } from '../core/version.ts'
import type { FileSummary } from './file-summary.ts'
import type { SkippedFile } from './task-info.ts'

/** Counts up when summaries change their form or meaning. */
const format = 2

/** One file as it was on disk: time, size, what it is. `dull`: nothing in it, so far as its own text tells. */
export type CachedFile = readonly [mtimeMs: number, bytes: number, kind: 'read' | 'dull' | SkippedFile['reason']]

export interface CacheContent {
  /** Words that are aliases of `task`, for which files were searched. */
  readonly aliases: readonly string[]
  readonly files: Readonly<Record<string, CachedFile>>
  readonly summaries: Readonly<Record<string, FileSummary>>
}

/** Where a folder's cache is kept: in its node_modules; undefined without one. */
export function defaultCacheFile(folder: string): string | undefined {
  const modules = join(folder, 'node_modules')
  return existsSync(modules) ? join(modules, '.cache', 'tq', 'scan.json') : undefined
}

/** The content, undefined where there is none of this version. JSON, because a folder's own files cannot be trusted with more. */
export function readCache(file: string, folder: string): CacheContent | undefined {
  try {
    const whole: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (!isCache(whole) || whole.key !== cacheKey(folder)) return undefined
    return whole
  } catch {
    return undefined
  }
}

/** Written whole or not at all; that it cannot be written costs only time. */
export function writeCache(file: string, folder: string, content: CacheContent): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    const draft = `${file}.${process.pid}`
    writeFileSync(draft, JSON.stringify({ key: cacheKey(folder), ...content }))
    renameSync(draft, file)
  } catch {
    // A read-only folder is scanned anew each time.
  }
}

/** Summaries depend on the scanner and on the parser. */
function cacheKey(folder: string): string {
  return [format, version, parserVersion(), folder].join('|')
}

function parserVersion(): string {
  try {
    const entry = createRequire(import.meta.url).resolve('ts-morph')
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8'))
    return typeof manifest === 'object' && manifest && 'version' in manifest ? String(manifest.version) : ''
  } catch {
    return ''
  }
}

function isCache(value: unknown): value is CacheContent & { readonly key: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'key' in value &&
    'files' in value &&
    typeof value.files === 'object' &&
    value.files !== null &&
    'summaries' in value &&
    typeof value.summaries === 'object' &&
    value.summaries !== null &&
    'aliases' in value &&
    Array.isArray(value.aliases)
  )
}
