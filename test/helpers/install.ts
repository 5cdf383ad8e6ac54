import { spawnSync } from 'node:child_process'
import { installWorkbench, installedWorkbench, workbenchFolder } from './workbench-install.ts'

/** A service that tests need for real; `TQ_SKIP` leaves it out by name. */
export interface ServiceNeed {
  readonly name: string
  /** Debian's packages. What they start by themselves is neither relied on nor used. */
  readonly packages: readonly string[]
  /** A command that succeeds where the service can be used. */
  readonly probe: readonly [command: string, ...args: string[]]
  /** What it takes beside the packages; installed after them. `install` throws with the command that failed. */
  readonly program?: ProgramNeed | undefined
}

export interface ProgramNeed {
  /** What is installed and where, for the line that says so. */
  readonly what: string
  /** A person types it to install it. */
  readonly command: string
  readonly isInstalled: () => boolean
  readonly install: () => void
}

/** Debian's own Python: another one may come first in PATH, without Celery. */
export const debianPython = '/usr/bin/python3'

export const serviceNeeds: readonly ServiceNeed[] = [
  { name: 'redis', packages: ['redis-server'], probe: ['redis-server', '--version'] },
  { name: 'rabbitmq', packages: ['rabbitmq-server'], probe: ['test', '-x', '/usr/lib/rabbitmq/bin/rabbitmq-server'] },
  {
    name: 'celery',
    packages: [
      'celery',
      'python3-celery',
      'python3-redis',
      'python3-msgpack',
      'python3-yaml',
      'python3-brotli',
      'python3-zstandard',
      'python3-cryptography',
    ],
    probe: [debianPython, '-c', 'import celery, redis, msgpack, yaml, brotli, zstandard, cryptography'],
  },
  {
    name: 'workbench',
    packages: ['chromium', 'fonts-dejavu-core', 'g++', 'make', 'python3'],
    probe: ['/bin/sh', '-c', 'chromium --version && g++ --version && make --version && python3 --version'],
    program: {
      command: 'node test/helpers/workbench-install.ts',
      what: `the workbench, 830 MB from npm, into ${workbenchFolder()} (about two minutes, once)`,
      isInstalled: () => installedWorkbench() !== undefined,
      install: installWorkbench,
    },
  },
]

/** The services named in `TQ_SKIP`, a comma list. Throws on a name that is none: a typo would else run or hide tests. */
export function skippedServices(env: NodeJS.ProcessEnv = process.env): string[] {
  const names = (env['TQ_SKIP'] ?? '').split(',').map((name) => name.trim())
  const known = serviceNeeds.map(({ name }) => name)
  const skipped = [...new Set(names.filter((name) => name !== ''))]
  const unknown = skipped.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new Error(`TQ_SKIP names no service: ${unknown.join(', ')}. It is a comma list of ${known.join(', ')}.`)
  }
  return skipped
}

export function isInstalled(need: ServiceNeed): boolean {
  return hasPackages(need) && (need.program?.isInstalled() ?? true)
}

function hasPackages({ probe: [command, ...args] }: ServiceNeed): boolean {
  return run(command, args, 60_000).ok
}

/** How a person installs a service that is missing, a sentence for each case. */
export function howToInstall(need: ServiceNeed): string {
  if (need.program && hasPackages(need)) return `Install it:  ${need.program.command}`
  return `Install it as root:  ${installCommand(need.packages)}`
}

/** The command a person types to have the packages. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
}

/**
 * Installs what the services that are missing need, one line for each thing through `say`, and returns those that still
 * cannot be used, with the reason.
 */
export function installMissing(
  needs: readonly ServiceNeed[],
  say: (line: string) => void,
): { readonly need: ServiceNeed; readonly reason: string }[] {
  const problems = installPackages(
    needs.filter((need) => !hasPackages(need)),
    say,
  )
  const ready = needs.filter((need) => !problems.some((problem) => problem.need === need))
  return [...problems, ...ready.flatMap((need) => installProgram(need, say))]
}

type Problem = ReturnType<typeof installMissing>[number]

function installPackages(missing: readonly ServiceNeed[], say: (line: string) => void): Problem[] {
  if (missing.length === 0) return []
  const prefix = rootPrefix()
  if (!prefix) return missing.map((need) => ({ need, reason: 'not installed, and this user may not install packages' }))
  if (!run('apt-get', ['--version'], 10_000).ok) {
    return missing.map((need) => ({ need, reason: 'not installed, and there is no apt-get here' }))
  }

  const update = apt(prefix, ['update'])
  return missing.flatMap((need) => {
    say(`Installing ${need.packages.join(' ')} for the ${need.name} tests`)
    const install = apt(prefix, ['install', '-y', '--no-install-recommends', ...need.packages])
    if (hasPackages(need)) return []
    const failed = [update, install].find(({ ok }) => !ok)
    return [
      { need, reason: failed ? `installing failed:\n${failed.output.trimEnd()}` : 'installed, but it does not work' },
    ]
  })
}

function installProgram(need: ServiceNeed, say: (line: string) => void): Problem[] {
  const { program } = need
  if (!program || program.isInstalled()) return []
  say(`Installing ${program.what}`)
  try {
    program.install()
  } catch (error) {
    return [{ need, reason: `installing failed:\n${error instanceof Error ? error.message : String(error)}` }]
  }
  return program.isInstalled() ? [] : [{ need, reason: 'installed, but it is not complete' }]
}

/** What to put before a command to run it as root without a question; undefined where that is impossible. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return []
  return run('sudo', ['-n', 'true'], 10_000).ok ? ['sudo', '-n'] : undefined
}

function apt(prefix: readonly string[], args: readonly string[]): RunOutcome {
  // Another package manager may hold the lock for a while; a mirror may stumble.
  const options = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3']
  const [command = 'env', ...rest] = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    ...options,
    ...args,
  ]
  return run(command, rest, 600_000)
}

interface RunOutcome {
  readonly ok: boolean
  readonly output: string
}

function run(command: string, args: readonly string[], timeoutMs: number): RunOutcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  })
  return { ok: status === 0, output: [stdout, stderr, error?.message].filter(Boolean).join('\n') }
}
