import { fileURLToPath } from 'node:url'

/** A place in source: 1-based line and column, as in a stack trace. */
export interface Site {
  readonly file: string
  readonly line: number
  readonly column: number
}

const ownFolder = fileURLToPath(new URL('..', import.meta.url))

/**
 * The nearest caller outside this package, undefined where no file called (eval, REPL). Reads the stack's text, so that
 * source maps and TypeScript loaders have had their say.
 */
export function callerSite(): Site | undefined {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 30
  Error.captureStackTrace(holder, callerSite)
  Error.stackTraceLimit = limit
  return sitesOf(holder.stack ?? '').find((site) => !site.file.startsWith(ownFolder))
}

/** Places named in a stack trace, innermost first; frames of Node itself and of eval are left out. */
export function sitesOf(stack: string): readonly Site[] {
  const sites: Site[] = []
  for (const line of stack.split('\n')) {
    const match = /^\s+at (?:.*\()?(?:async )?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*?):(\d+):(\d+)\)?$/.exec(line)
    if (!match) continue
    const [, where = '', row = '', column = ''] = match
    sites.push({ file: toPath(where), line: Number(row), column: Number(column) })
  }
  return sites
}

function toPath(where: string): string {
  if (!where.startsWith('file://')) return where
  try {
    return fileURLToPath(where.replace(/[?#].*$/, ''))
  } catch {
    return where
  }
}

export function siteText(site: Site | undefined): string {
  return site ? `${site.file}:${site.line}:${site.column}` : '<unknown place>'
}
