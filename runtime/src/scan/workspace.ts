import { lstatSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { type CachedFile, type CacheContent, readCache, writeCache } from './cache.ts'
import { type FileSummary, namesOf, surfaceOf } from './file-summary.ts'
import { type Listing, listFiles } from './list-files.ts'
import { Parser } from './parser.ts'
import { FileReader, type FileStamp, isInteresting, isMinified, largestBytes, withoutMark } from './prefilter.ts'
import { ModuleResolver } from './resolve-module.ts'
import type { Summaries } from './stars.ts'
import type { SkippedFile } from './task-info.ts'

interface Entry {
  stamp?: FileStamp | undefined
  /** Its own text says that it may define or call tasks; other files are summarised only when one of those asks for them. */
  interesting: boolean
  summary?: FileSummary | undefined
  skipped?: SkippedFile['reason'] | undefined
  /** The summary is older than the text. */
  stale: boolean
  /** Hands on what other files export; undefined before anybody asked. */
  barrel?: boolean | undefined
  buffer?: { readonly text: string; readonly version: number } | undefined
}

/** What became of a file: which of the keys that others rest on have changed. */
export interface FileChange {
  readonly file: string
  /** Whether files that import it must be linked again. */
  readonly surface: boolean
  /** Whether it hands on other names than before. */
  readonly names: boolean
  /** Whether it appeared or went. */
  readonly presence: boolean
}

export interface Counts {
  parsed: number
  cached: number
}

const barrels = /\bexport\s*(?:\*|\{)|\bmodule\.exports\b|\bimport\s*\(/
const batch = 256

/** The files of one folder: disk, open buffers and cache behind one view of summaries. */
export class Workspace {
  readonly folder: string
  readonly counts: Counts = { parsed: 0, cached: 0 }
  /** Summaries on demand, for whatever evaluation asks. */
  readonly all: Summaries
  /** Summaries of files that may hold an alias of `task`; anything else is not read for that. */
  readonly likely: Summaries
  readonly #entries = new Map<string, Entry>()
  readonly #open = new Set<string>()
  /** Files that are skipped or stale, or were: few of many thousands, and asked for with every edit. */
  readonly #odd = new Set<string>()
  readonly #parser = new Parser()
  readonly #reader = new FileReader()
  readonly #resolver: ModuleResolver
  readonly #cacheFile: string | undefined
  #manifests: readonly string[] = []
  #packages: ReadonlyMap<string, string> | undefined
  #aliases = new Set<string>()
  #aliasPattern: RegExp | undefined

  constructor(folder: string, cacheFile: string | undefined) {
    this.folder = folder
    this.#cacheFile = cacheFile
    this.#resolver = new ModuleResolver({
      has: (path) => this.#entries.has(path),
      config: (path) => readConfig(join(folder, path)),
      packages: () => (this.#packages ??= this.#findPackages()),
    })
    const resolve: Summaries['resolve'] = (from, specifier, probed) =>
      this.#resolver.resolve(from, specifier, (stem) => probed(`?${stem}`))
    this.all = { summary: (file) => this.summary(file), resolve }
    this.likely = { summary: (file) => (this.#isLikely(file) ? this.summary(file) : undefined), resolve }
  }

  /** Lists the folder and reads what is new or changed since the cache was written. Yields to others between batches. */
  async load(): Promise<void> {
    // Git lists the files while the cache is read.
    const listed = listFiles(this.folder)
    const cache = this.#cacheFile === undefined ? undefined : readCache(this.#cacheFile, this.folder)
    if (cache) this.addAliases(cache.aliases)
    const listing = await listed
    this.#manifests = listing.manifests
    let done = 0
    for (const file of listing.sources) {
      const known = cache && Object.hasOwn(cache.files, file) ? cache.files[file] : undefined
      if (!known || !this.#revive(file, known, cache?.summaries[file])) this.#readNew(file)
      if (++done % batch === 0) await pause()
    }
  }

  get size(): number {
    return this.#entries.size
  }

  has(file: string): boolean {
    return this.#entries.has(file)
  }

  /** Files to link, in order of name. */
  roots(): readonly string[] {
    return [...this.#entries].filter(([, entry]) => entry.interesting && entry.summary).map(([file]) => file)
  }

  isRoot(file: string): boolean {
    const entry = this.#entries.get(file)
    return entry?.interesting === true && entry.summary !== undefined
  }

  isStale(file: string): boolean {
    return this.#entries.get(file)?.stale === true
  }

  stale(): readonly string[] {
    return [...this.#odd].filter((file) => this.isStale(file)).sort()
  }

  skipped(): readonly SkippedFile[] {
    return [...this.#odd].sort().flatMap((file) => {
      const { skipped, stamp, buffer } = this.#entries.get(file) ?? {}
      const bytes = buffer ? Buffer.byteLength(buffer.text) : (stamp?.bytes ?? 0)
      return skipped ? [{ file, reason: skipped, bytes }] : []
    })
  }

  versions(): Readonly<Record<string, number>> {
    const versions: Record<string, number> = {}
    for (const file of this.#open) {
      const buffer = this.#entries.get(file)?.buffer
      if (buffer) versions[file] = buffer.version
    }
    return versions
  }

  /** The summary of a file, read now if nobody asked before. */
  summary(file: string): FileSummary | undefined {
    const entry = this.#entries.get(file)
    if (!entry || entry.summary || entry.skipped) return entry?.summary
    const text = this.#textOf(file, entry)
    if (text !== undefined) this.#read(file, entry, text)
    return entry.summary
  }

  /** Words that mean `task` in other files. Gives the files that became interesting by them. */
  addAliases(words: Iterable<string>): readonly string[] {
    const before = this.#aliases.size
    for (const word of words) if (/^[\w$]+$/.test(word)) this.#aliases.add(word)
    if (this.#aliases.size === before) return []
    const all = [...this.#aliases].map((word) => word.replaceAll('$', '\\$')).join('|')
    // Called, or named in an import or export.
    this.#aliasPattern = new RegExp(`(?<![\\w$])(?:${all})(?=\\s*(?:[(<,}]|as\\b))`)
    const woken: string[] = []
    for (const [file, entry] of this.#entries) {
      if (entry.interesting || entry.skipped) continue
      const text = this.#textOf(file, entry, this.#aliasPattern)
      if (text === undefined || !this.#aliasPattern.test(text)) continue
      if (!entry.summary) this.#read(file, entry, text)
      entry.interesting = entry.summary !== undefined
      if (entry.interesting) woken.push(file)
    }
    return woken
  }

  /** Takes the text of an editor in place of the file's; older versions than the known one change nothing. */
  change(file: string, text: string, version: number): FileChange | undefined {
    const entry = this.#entries.get(file)
    if (entry?.buffer && entry.buffer.version > version) return undefined
    const own = entry ?? this.#add(file)
    own.buffer = { text: withoutMark(text), version }
    this.#open.add(file)
    return this.#update(file, own, own.buffer.text, entry === undefined)
  }

  /** Goes back to the file on disk. */
  close(file: string): FileChange | undefined {
    const entry = this.#entries.get(file)
    if (!entry?.buffer) return undefined
    entry.buffer = undefined
    this.#open.delete(file)
    return this.refresh(file)
  }

  /** Reads a file again, or for the first time. An open buffer stays in its place. */
  refresh(file: string): FileChange | undefined {
    const entry = this.#entries.get(file)
    if (entry?.buffer) return undefined
    const read = this.#reader.read(`${this.folder}/${file}`, { always: true })
    if (read.kind === 'gone') return entry ? this.#remove(file) : undefined
    const own = entry ?? this.#add(file)
    own.stamp = read.stamp
    if (read.kind === 'text') return this.#update(file, own, read.text, entry === undefined)
    const had = own.summary !== undefined
    this.#skip(file, own, read.kind === 'skipped' ? read.reason : undefined)
    return { file, surface: had, names: had, presence: entry === undefined }
  }

  /** Forgets tsconfig.json and package.json files. */
  async resetConfig(): Promise<readonly FileChange[]> {
    this.#resolver.reset()
    this.#packages = undefined
    return this.#adopt(await listFiles(this.folder))
  }

  /** Compares the listing with what is known: new files, and files that are no longer there or became ignored. */
  #adopt(listing: Listing): readonly FileChange[] {
    this.#manifests = listing.manifests
    const listed = new Set(listing.sources)
    const changes: FileChange[] = []
    for (const [file, { buffer }] of this.#entries) if (!listed.has(file) && !buffer) changes.push(this.#remove(file))
    for (const file of listing.sources) {
      const change = this.#entries.has(file) ? undefined : this.refresh(file)
      if (change) changes.push(change)
    }
    return changes
  }

  /** Writes the cache; open buffers are not in it. */
  save(): void {
    if (this.#cacheFile === undefined) return
    const files: Record<string, CachedFile> = {}
    const summaries: Record<string, FileSummary> = {}
    for (const [file, { stamp, buffer, stale, skipped, interesting, summary }] of this.#entries) {
      if (!stamp || buffer || stale) continue
      files[file] = [stamp.mtimeMs, stamp.bytes, skipped ?? (interesting ? 'read' : 'dull')]
      if (summary) summaries[file] = summary
    }
    const content: CacheContent = { aliases: [...this.#aliases], files, summaries }
    writeCache(this.#cacheFile, this.folder, content)
  }

  /** Loads the parser before the first edit needs it. */
  warm(): void {
    this.#parser.load()
  }

  #add(file: string): Entry {
    const entry: Entry = { interesting: false, stale: false }
    this.#entries.set(file, entry)
    return entry
  }

  #remove(file: string): FileChange {
    this.#entries.delete(file)
    return { file, surface: true, names: true, presence: true }
  }

  #skip(file: string, entry: Entry, reason: SkippedFile['reason'] | undefined): void {
    if (reason) this.#odd.add(file)
    entry.skipped = reason
    entry.summary = undefined
    entry.interesting = false
    entry.stale = false
  }

  #revive(file: string, [mtimeMs, bytes, kind]: CachedFile, summary: FileSummary | undefined): boolean {
    const stat = lstatSync(`${this.folder}/${file}`, { throwIfNoEntry: false })
    if (!stat) return true // listed by git, and deleted
    const same = stat.isFile() && stat.mtimeMs === mtimeMs && stat.size === bytes
    if (!same || kind === 'unreadable' || (kind === 'read' && !summary)) return false
    const skipped = kind === 'read' || kind === 'dull' ? undefined : kind
    this.#entries.set(file, { stamp: { mtimeMs, bytes }, skipped, summary, interesting: kind === 'read', stale: false })
    if (skipped) this.#odd.add(file)
    if (summary) this.counts.cached++
    return true
  }

  #readNew(file: string): void {
    const read = this.#reader.read(`${this.folder}/${file}`, { extra: this.#aliasPattern })
    if (read.kind === 'gone') return
    const entry = this.#add(file)
    entry.stamp = read.stamp
    if (read.kind === 'skipped') this.#skip(file, entry, read.reason)
    if (read.kind !== 'text') return
    entry.interesting = true
    this.#read(file, entry, read.text)
  }

  #read(file: string, entry: Entry, text: string): void {
    const summary = this.#parse(file, text)
    if (summary) entry.summary = summary
    else this.#skip(file, entry, 'too-deep')
  }

  /** Undefined for a tower of brackets that no stack is deep enough for. */
  #parse(file: string, text: string): FileSummary | undefined {
    this.counts.parsed++
    try {
      return this.#parser.parse(file, text)
    } catch (error) {
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  #update(file: string, entry: Entry, text: string, appeared: boolean): FileChange {
    const before = entry.summary
    // Whoever wanted to know of a file without a summary whether it hands on anything asks again.
    const wasAsked = before !== undefined || entry.barrel !== undefined
    const lost: FileChange = { file, surface: wasAsked, names: wasAsked, presence: appeared }
    const same: FileChange = { file, surface: appeared, names: appeared, presence: appeared }
    entry.barrel = undefined
    if (text.length > largestBytes || isMinified(text)) {
      this.#skip(file, entry, text.length > largestBytes ? 'too-large' : 'minified')
      return lost
    }
    entry.skipped = undefined
    const interesting = isInteresting(text, this.#aliasPattern)
    if (!interesting && !before) {
      entry.stale = false
      return wasAsked ? lost : same
    }
    const summary = this.#parse(file, text)
    if (!summary) {
      this.#skip(file, entry, 'too-deep')
      return lost
    }
    if (before && lostSomething(before, summary)) {
      entry.stale = true
      this.#odd.add(file)
      return same
    }
    entry.stale = false
    entry.interesting = interesting
    entry.summary = summary
    const surface = !before || surfaceOf(before) !== surfaceOf(summary)
    const names = !before || namesOf(before) !== namesOf(summary)
    return { file, surface: appeared || surface, names: appeared || names, presence: appeared }
  }

  #isLikely(file: string): boolean {
    const entry = this.#entries.get(file)
    if (!entry || entry.skipped) return false
    if (entry.interesting) return true
    entry.barrel ??= barrels.test(this.#textOf(file, entry, barrels) ?? '')
    return entry.barrel
  }

  #textOf(file: string, entry: Entry, wanted?: RegExp): string | undefined {
    if (entry.buffer) return entry.buffer.text
    const read = this.#reader.read(`${this.folder}/${file}`, wanted ? { extra: wanted } : { always: true })
    return read.kind === 'text' ? read.text : undefined
  }

  #findPackages(): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const manifest of this.#manifests) {
      const name = /"name"\s*:\s*"([^"]+)"/.exec(readConfig(join(this.folder, manifest)) ?? '')?.[1]
      if (name !== undefined && !found.has(name)) found.set(name, posix.dirname(manifest))
    }
    return found
  }
}

/** Half-typed text: the parser recovered, but an export or a definition that was there is gone or has lost its arguments. */
function lostSomething(before: FileSummary, after: FileSummary): boolean {
  if (after.parseErrors === 0) return false
  if (Object.keys(before.exports).some((name) => !Object.hasOwn(after.exports, name))) return true
  const left = new Map<string, number>()
  const key = (one: FileSummary['definitions'][number]): string => `${one.binding ?? ''}/${one.args.length}`
  for (const one of after.definitions) left.set(key(one), (left.get(key(one)) ?? 0) + 1)
  return before.definitions.some((one) => {
    if (one.alias) return false
    const count = left.get(key(one)) ?? 0
    left.set(key(one), count - 1)
    return count === 0
  })
}

function readConfig(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
