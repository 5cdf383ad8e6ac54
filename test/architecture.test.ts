import { globSync, readFileSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

// The floors of the house and who may name what. Each rule is a function from one source to its violations; the tables
// below are all there is to edit when the house grows.

interface Source {
  /** From the top of the repository: `runtime/src/core/id.ts`. */
  readonly path: string
  readonly text: string
}

// --- tables -----------------------------------------------------------------------------------------------------------

/** Single files whose floor is not that of their folder. */
const fileFloors: Readonly<Record<string, number>> = {
  // Pure data that imports nothing; `wire/` translates it.
  'events/event.ts': 0,
  'transports/transport.ts': 2,
  'transports/key-store.ts': 2,
  'pools/child.ts': 2,
  'transports/topology.ts': 2,
  'backends/result-backend.ts': 2,
  'pools/pool.ts': 2,
  'index.ts': 7,
  'testing.ts': 7,
  'loader.ts': 7,
  'monitor.ts': 7,
  'live.ts': 7,
}

const folderFloors: Readonly<Record<string, number>> = {
  core: 0,
  wire: 1,
  serializers: 1,
  drivers: 2,
  transports: 3,
  backends: 3,
  pools: 3,
  scan: 3,
  app: 4,
  events: 4,
  control: 4,
  run: 5,
  worker: 6,
  beat: 6,
  cli: 7,
  live: 7,
  testing: 7,
}

/** Imports between two folders of one floor, from -> to; all others are forbidden. */
const sideways: ReadonlySet<string> = new Set([
  // Events and remote control are JSON by definition.
  'wire -> serializers',
  // The app holds its event sink and its control.
  'app -> events',
  'app -> control',
  // Contracts speak of each other; drivers fill parts of them.
  'contracts -> contracts',
  'drivers -> contracts',
  'compose -> compose',
])

const concreteNames = ['memory', 'sqlite', 'redis', 'amqp', 'rpc', 'disabled', 'inline', 'async', 'threads', 'prefork']

/** Who may import a package, as beginnings of paths. */
const packagePlaces: Readonly<Record<string, readonly string[]>> = {
  ioredis: ['runtime/src/drivers/redis', 'runtime/src/transports/redis', 'runtime/src/backends/redis'],
  amqplib: ['runtime/src/drivers/amqp', 'runtime/src/transports/amqp', 'runtime/src/backends/rpc'],
  'node:sqlite': ['runtime/src/drivers/sqlite', 'runtime/src/transports/sqlite', 'runtime/src/backends/sqlite'],
  'ts-morph': ['runtime/src/scan/'],
  ws: ['runtime/src/live/'],
  vscode: ['extension/src/'],
  react: ['tui/'],
  ink: ['tui/'],
}

const wirePlaces = [
  'runtime/src/wire/',
  'runtime/src/serializers/json',
  'runtime/src/core/settings.ts',
  'runtime/src/transports/redis-scripts.ts',
]

/** Names on Celery's and kombu's wire that no text of ours would use for anything else. */
const wireTexts =
  /_kombu\.|celery-task-meta-|celery-taskset-meta-|chord-unlock-|\bpidbox\b|\bceleryev\b|\bunacked(?:_index|_mutex)?\b|\\x06\\x16|__type__/

/** Header, property and field names; forbidden as identifiers too. */
const wireFields =
  /\b(?:root_id|parent_id|group_index|argsrepr|kwargsrepr|timelimit|body_encoding|delivery_tag|delivery_info|routing_key|exc_type|exc_message|exc_module|date_done|subtask_type|stamped_headers|replaced_task_nesting|correlation_id|reply_to|sw_ident|task_id|enable_events|disable_events|pool_grow|pool_shrink|active_queues|query_task)\b|['"]content-(?:type|encoding)['"]/

const clockWords =
  /\bDate\.now\b|\bperformance\.now\b|\bset(?:Timeout|Interval)\b|\bnew Date\(\s*\)|\bprocess\.hrtime\b/

/** Module-level `let`, with its reason. */
const letPlaces: ReadonlySet<string> = new Set([
  // A page of entropy: no caller can tell whether it is shared.
  'runtime/src/core/id.ts',
  // The text of the newest millisecond, kept for the tasks that end in it: the same function with or without it.
  'runtime/src/core/iso-time.ts',
])

const outsideWorld =
  /^node:(?:fs|net|tls|http|https|http2|dns|dgram|child_process|worker_threads|cluster|readline|timers)(?:\/|$)/

const published: ReadonlySet<string> = new Set(
  Object.keys((JSON.parse(readFileSync(top('runtime/package.json'), 'utf8')) as { exports: object }).exports).map(
    (key) => posix.join('tq-runtime', key),
  ),
)

// --- rules ------------------------------------------------------------------------------------------------------------

const rules: Readonly<Record<string, (source: Source) => readonly string[]>> = {
  '1: imports go down or stay in the folder': ({ path, text }) => {
    const from = placeOf(path)
    if (!from) return path.startsWith('runtime/src/') ? ['stands on no floor'] : []
    return importsOf(text).flatMap(({ specifier }) => {
      if (from.floor <= 1 && outsideWorld.test(specifier)) return [`${from.group} does no I/O but imports ${specifier}`]
      if (!specifier.startsWith('.')) return []
      const target = posix.join(posix.dirname(path), specifier)
      const to = placeOf(target)
      if (!to) return [`imports ${specifier}, which stands on no floor`]
      if (areRivals(path, target)) return [`imports its sibling ${specifier}`]
      if (to.floor < from.floor) return []
      if (to.floor > from.floor) return [`floor ${from.floor} imports ${specifier} of floor ${to.floor}`]
      const stays = from.group === to.group || sideways.has(`${from.group} -> ${to.group}`)
      return stays ? [] : [`imports ${specifier} of another folder on its own floor`]
    })
  },

  '2: names of the wire stand where the wire is': ({ path, text }) => {
    if (!path.startsWith('runtime/src/') || wirePlaces.some((place) => path.startsWith(place))) return []
    const words = textsOf(text).flatMap((one) => wireTexts.exec(one)?.[0] ?? [])
    const field = wireFields.exec(withoutComments(text))?.[0]
    return [...words, ...(field ? [field] : [])].map((word) => `names ${word}`)
  },

  '3: concrete drivers are named where they are chosen': ({ path, text }) =>
    importsOf(text).flatMap(({ specifier, when }) => {
      if (!path.startsWith('runtime/src/') || !specifier.startsWith('.')) return []
      const target = posix.join(posix.dirname(path), specifier)
      const kind = /^runtime\/src\/(transports|backends|pools|drivers)\//.exec(target)?.[1]
      if (!kind || fileFloors[within(target)] !== undefined || folderOf(path) === kind) return []
      if (kind === 'drivers' && ['transports', 'backends'].includes(folderOf(path))) return []
      const chooser = kind === 'pools' ? 'runtime/src/worker/make-pool.ts' : 'runtime/src/app/open-driver.ts'
      if (path !== chooser) return [`names ${specifier}; only ${chooser} may`]
      return when !== 'start' || kind === 'pools' ? [] : [`imports ${specifier} at start; use import()`]
    }),

  '4: packages are imported where they belong': ({ path, text }) =>
    importsOf(text).flatMap(({ specifier }) => {
      const name = packageOf(specifier)
      const places = Object.hasOwn(packagePlaces, name) ? packagePlaces[name] : undefined
      if (!places) return []
      const allowed = places.some((place) => path.startsWith(place))
      return allowed && !(name === 'vscode' && path.startsWith('extension/src/sidecar/'))
        ? []
        : [`imports ${specifier}`]
    }),

  '5: no state of the module, no default export': ({ path, text }) => {
    const code = codeOf(text)
    const found: string[] = []
    if (/^(?:export )?(?:let|var)\b/m.test(code) && !letPlaces.has(path)) found.push('has a module-level let')
    if (/^export default\b|\bas default\b/m.test(code)) found.push('has a default export')
    if (/^export \*/m.test(code)) found.push('has export *')
    if (
      /\bAsyncLocalStorage\b/.test(code) &&
      path.startsWith('runtime/src/') &&
      path !== 'runtime/src/app/context.ts'
    ) {
      found.push('uses AsyncLocalStorage; the only ambient value is in app/context.ts')
    }
    return found
  },

  '6: time comes from the clock': ({ path, text }) => {
    if (!path.startsWith('runtime/src/') || path === 'runtime/src/core/clock.ts') return []
    const word = clockWords.exec(codeOf(text))?.[0]
    const timers = importsOf(text).filter(({ specifier }) => /^(?:node:)?(?:timers|perf_hooks)(?:\/|$)/.test(specifier))
    return [...(word ? [`uses ${word}`] : []), ...timers.map(({ specifier }) => `imports ${specifier}`)]
  },

  '8: presentation imports what is published': ({ path, text }) => {
    const home = /^(tui|extension)\//.exec(path)?.[0]
    if (!home) return []
    return importsOf(text).flatMap(({ specifier }) => {
      if (specifier.startsWith('.')) {
        return posix.join(posix.dirname(path), specifier).startsWith(home)
          ? []
          : [`leaves its package for ${specifier}`]
      }
      return packageOf(specifier) !== 'tq-runtime' || published.has(specifier) ? [] : [`imports ${specifier}`]
    })
  },
}

// --- reading ----------------------------------------------------------------------------------------------------------

function top(path: string): string {
  return resolve(import.meta.dirname, '..', path)
}

function within(path: string): string {
  return path.slice('runtime/src/'.length)
}

function folderOf(path: string): string {
  const [folder = ''] = within(path).split('/')
  return within(path).includes('/') ? folder : ''
}

function placeOf(path: string): { readonly floor: number; readonly group: string } | undefined {
  if (!path.startsWith('runtime/src/')) return undefined
  const own = fileFloors[within(path)]
  const folder = folderOf(path)
  const floor = own ?? (Object.hasOwn(folderFloors, folder) ? folderFloors[folder] : undefined)
  if (floor === undefined) return undefined
  if (floor === 7) return { floor, group: 'compose' }
  return { floor, group: own === 2 ? 'contracts' : folder }
}

/** Whether both are parts of concrete drivers, but not of the same one. */
function areRivals(from: string, to: string): boolean {
  const [a, b] = [concreteOf(from), concreteOf(to)]
  return a !== undefined && b !== undefined && a !== b
}

function concreteOf(path: string): string | undefined {
  const match = /^runtime\/src\/((?:transports|backends|pools)\/)([a-z]+)/.exec(path)
  return match?.[2] !== undefined && concreteNames.includes(match[2]) ? match[1] + match[2] : undefined
}

function packageOf(specifier: string): string {
  const [first = '', second] = specifier.split('/')
  return first.startsWith('@') && second !== undefined ? `${first}/${second}` : first
}

// Comments, texts and regular expressions. A regular expression stands where no value has ended before it.
const literals =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=(?:[=(,:;!&|?{}[\n]|=>|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*/g

function withoutComments(text: string): string {
  return text.replace(literals, (found) => (/^\/[/*]/.test(found) ? ' ' : found))
}

/** The code alone; texts are left empty. */
function codeOf(text: string): string {
  return text.replace(literals, (found) => (/^\/[/*]/.test(found) ? ' ' : "''"))
}

function textsOf(text: string): readonly string[] {
  return [...text.matchAll(literals)].map(([found]) => found).filter((found) => !/^\/[/*]/.test(found))
}

interface Import {
  readonly specifier: string
  /** `never`: types alone, erased. */
  readonly when: 'start' | 'later' | 'never'
}

function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text)
  const fixed = code.matchAll(/^(?:(?:import|export)\b(\s+type\b)?[^'"`;]*\bfrom|import)\s*['"]([^'"\n]+)['"]/gm)
  const lazy = code.matchAll(/\bimport\s*\(\s*['"`]([^'"`\n]+)['"`]/g)
  return [
    ...[...fixed].map(([, type, specifier = '']): Import => ({ specifier, when: type ? 'never' : 'start' })),
    ...[...lazy].map(([, specifier = '']): Import => ({ specifier, when: 'later' })),
  ]
}

// --- what the rules must find, and what they must let pass ------------------------------------------------------------

interface Case extends Source {
  readonly rule: number
}

function at(rule: number, path: string, text: string): Case {
  return { rule, path: path.includes('/src/') ? path : `runtime/src/${path}`, text }
}

const offences: readonly Case[] = [
  at(1, 'core/x.ts', "import { a } from '../wire/a.ts'"),
  at(1, 'wire/x.ts', "import type { A } from '../transports/transport.ts'"),
  at(1, 'wire/x.ts', "import {\n  a,\n  b,\n} from '../app/a.ts'"),
  at(1, 'wire/x.ts', "import { readFile } from 'node:fs/promises'"),
  at(1, 'app/x.ts', "const a = await import('../run/eager.ts')"),
  at(1, 'app/x.ts', "export { a } from '../worker/worker.ts'"),
  at(1, 'control/x.ts', "import { LamportClock } from '../events/lamport.ts'"),
  at(1, 'backends/redis.ts', "import { claim } from '../transports/redis-scripts.ts'"),
  at(1, 'transports/redis.ts', "import { a } from './memory.ts'"),
  at(1, 'transports/transport.ts', "import { a } from '../drivers/a.ts'"),
  at(1, 'worker/x.ts', "import { a } from '../index.ts'"),
  at(1, 'helpers/x.ts', ''),
  at(2, 'app/x.ts', "const key = 'celery-task-meta-' + id"),
  at(2, 'events/x.ts', "listen('celeryev', {})"),
  at(2, 'transports/redis.ts', "redis.hset('unacked', tag, text)"),
  at(2, 'transports/redis.ts', 'const key = `_kombu.binding.${exchange}`'),
  at(2, 'worker/x.ts', 'const parent = headers.parent_id'),
  at(2, 'run/x.ts', "headers['content-type']"),
  at(3, 'app/tq.ts', "import { RedisTransport } from '../transports/redis.ts'"),
  at(3, 'app/tq.ts', "import type { MemoryBackend } from '../backends/memory.ts'"),
  at(3, 'app/open-driver.ts', "import { RedisTransport } from '../transports/redis.ts'"),
  at(3, 'run/x.ts', "await import('../pools/async.ts')"),
  at(3, 'beat/x.ts', "import { a } from '../drivers/redis-connection.ts'"),
  at(4, 'app/x.ts', "import { Redis } from 'ioredis'"),
  at(4, 'transports/sqlite.ts', "import { Redis } from 'ioredis'"),
  at(4, 'worker/x.ts', "await import('amqplib')"),
  at(4, 'core/x.ts', "import { DatabaseSync } from 'node:sqlite'"),
  at(4, 'cli/x.ts', "import { Project } from 'ts-morph'"),
  at(4, 'extension/src/sidecar/main.ts', "import * as vscode from 'vscode'"),
  at(4, 'extension/src/x.ts', "import { jsx } from 'react/jsx-runtime'"),
  at(5, 'app/x.ts', 'let current = 1'),
  at(5, 'app/x.ts', 'export let current = 1'),
  at(5, 'tui/src/x.ts', 'export default function x() {}'),
  at(5, 'app/x.ts', "export * from './y.ts'"),
  at(5, 'run/x.ts', 'const store = new AsyncLocalStorage()'),
  at(6, 'app/x.ts', 'const now = Date.now()'),
  at(6, 'worker/x.ts', "const pattern = /'/\nsetTimeout(f, 1)\nconst text = 'x'"),
  at(6, 'worker/x.ts', 'const now = new Date()'),
  at(6, 'core/x.ts', "import { setTimeout as sleep } from 'node:timers/promises'"),
  at(8, 'tui/src/x.ts', "import { a } from 'tq-runtime/src/core/id.ts'"),
  at(8, 'tui/src/x.ts', "import { a } from '../../runtime/src/core/id.ts'"),
  at(8, 'extension/src/x.ts', "import { a } from 'tq-runtime/dist/index.js'"),
]

const decencies: readonly Case[] = [
  at(1, 'run/x.ts', "import { a } from '../app/a.ts'\nimport { b } from './b.ts'\nimport c from 'node:fs'"),
  at(1, 'app/tq.ts', "import { Control } from '../control/control.ts'"),
  at(1, 'core/x.ts', "// import { a } from '../wire/a.ts'"),
  at(1, 'transports/redis.ts', "import { a } from './redis-scripts.ts'\nimport type { T } from './transport.ts'"),
  at(1, 'cli/main.ts', "import { Tq } from '../index.ts'"),
  at(2, 'wire/x.ts', "const key = 'celery-task-meta-'"),
  at(2, 'app/x.ts', '// as celery-task-meta- in Celery\nconst unacked = 1'),
  at(3, 'app/open-driver.ts', "await import('../transports/redis.ts')"),
  at(3, 'app/open-driver.ts', "import type { RedisTransport } from '../transports/redis.ts'"),
  at(3, 'worker/make-pool.ts', "import { AsyncPool } from '../pools/async.ts'"),
  at(3, 'app/x.ts', "import type { Transport } from '../transports/transport.ts'"),
  at(4, 'drivers/redis-connection.ts', "import { Redis } from 'ioredis'"),
  at(4, 'extension/src/commands.ts', "import * as vscode from 'vscode'"),
  at(4, 'tui/src/main.tsx', "import { render } from 'ink'"),
  at(5, 'app/x.ts', 'function f() {\n  let one = 1\n  return one\n}\n// let it be'),
  at(6, 'core/clock.ts', 'Date.now()'),
  at(6, 'app/x.ts', "/** Not Date.now(). */\nconst text = 'setTimeout'\nconst day = new Date(ms)"),
  at(8, 'tui/src/x.ts', "import { Tq } from 'tq-runtime'\nimport { emptyCluster } from 'tq-runtime/monitor'"),
]

// --- the tests --------------------------------------------------------------------------------------------------------

const sources: readonly Source[] = ['runtime/src', 'tui/src', 'extension/src']
  .flatMap((folder) => globSync(`${folder}/**/*.{ts,tsx}`, { cwd: top('') }))
  .map((path) => path.replaceAll('\\', '/'))
  .map((path) => ({ path, text: readFileSync(top(path), 'utf8') }))

test('the sources are found', () => {
  expect(sources.length).toBeGreaterThan(30)
  expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(sources.length)
})

describe.each(Object.entries(rules))('rule %s', (name, check) => {
  test('holds in every source', () => {
    expect(sources.flatMap((source) => check(source).map((fault) => `${source.path}: ${fault}`))).toEqual([])
  })

  test.each(offences.filter(({ rule }) => name.startsWith(`${rule}:`)))('finds $text in $path', ({ path, text }) => {
    expect(check({ path, text })).not.toEqual([])
  })

  test.each(decencies.filter(({ rule }) => name.startsWith(`${rule}:`)))('allows $text in $path', ({ path, text }) => {
    expect(check({ path, text })).toEqual([])
  })
})

test('every rule has an offence that it finds', () => {
  const tried = new Set(offences.map(({ rule }) => String(rule)))

  expect(Object.keys(rules).map((name) => name.split(':')[0])).toEqual([...tried])
})
