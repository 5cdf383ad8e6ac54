import { existsSync } from 'node:fs'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A place in a file of this machine; lines and columns start at 1. */
export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly column?: number | undefined
}

/**
 * The lines of the project that a traceback names, innermost first, each once. Files of another machine are looked for by the end
 * of their path in `folder`. Reads the frames of V8 (`at send (src/mail.ts:42:11)`) and of Python (`File "mail.py", line 42`).
 */
export function framesOf(traceback: string, folder: string): readonly SourcePlace[] {
  const found: SourcePlace[] = []
  for (const line of traceback.split('\n')) {
    const [, inner, bare, atLine = '', atColumn] = v8Frame.exec(line) ?? []
    const [, pythonFile, pythonLine = ''] = pythonFrame.exec(line) ?? []
    const named = inner ?? bare ?? pythonFile
    if (named === undefined) continue
    const file = localFile(named, folder)
    if (file === undefined) continue
    const place = { file, line: Number(pythonFile === undefined ? atLine : pythonLine), column: columnOf(atColumn) }
    // Python tells the innermost frame last.
    if (pythonFile === undefined) found.push(place)
    else found.unshift(place)
  }
  const keys = found.map(({ file, line }) => `${file}:${line}`)
  return found.filter((_, i) => keys.indexOf(keys[i] ?? '') === i)
}

const v8Frame = /^\s*at (?:.*\((.+?)|(?:async )?([^\s()]+?)):(\d+):(\d+)\)?$/u
const pythonFrame = /^\s*File "([^"]+)", line (\d+)/u

function columnOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

/** A file of the project that is there: the path itself, else the longest end of it that is found in the folder. */
function localFile(named: string, folder: string): string | undefined {
  if (named.startsWith('node:') || /[\\/]node_modules[\\/]/u.test(named)) return undefined
  let path = named
  if (named.startsWith('file:')) {
    try {
      path = fileURLToPath(named)
    } catch {
      return undefined
    }
  }
  const whole = isAbsolute(path) ? path : resolve(folder, path)
  if (isInside(whole, folder) && existsSync(whole)) return whole
  const parts = path.split(/[\\/]/u).filter((part) => part !== '' && part !== '.' && part !== '..')
  for (let i = 1; i < parts.length; i++) {
    const end = join(folder, ...parts.slice(i))
    if (existsSync(end)) return end
  }
  return undefined
}

function isInside(file: string, folder: string): boolean {
  const path = relative(folder, file)
  return path !== '' && !path.startsWith(`..${sep}`) && !isAbsolute(path)
}

/** Where the tasks of a name are defined in the project, as its source says; the scan runs in a process of its own. */
export async function findDefinitions(folder: string, name: string): Promise<readonly SourcePlace[]> {
  const { ScanClient } = await import('tq-runtime/scan')
  const client = new ScanClient()
  try {
    const { tasks } = await client.open(folder)
    return tasks
      .filter((task) => task.name === name)
      .map(({ file, site }) => ({ file: resolve(folder, file), line: site.line, column: site.column }))
  } finally {
    await client.stop()
  }
}

/** `src/mail.ts:42`. */
export function shortPlace({ file, line }: SourcePlace, folder: string): string {
  return `${isInside(file, folder) ? relative(folder, file) : file}:${line}`
}

/**
 * The command that opens a place: `$VISUAL`, else `$EDITOR`, else vi, told the line in its own way; editors that are not known get
 * `+LINE FILE`, as vi, nano and emacs do.
 */
export function editorCommand(
  place: SourcePlace,
  env: Readonly<Record<string, string | undefined>>,
): readonly [command: string, ...args: string[]] {
  const { VISUAL = '', EDITOR = '' } = env
  const [command = 'vi', ...given] = words(VISUAL !== '' ? VISUAL : EDITOR !== '' ? EDITOR : 'vi')
  const { file, line, column = 1 } = place
  const name = basename(command).replace(/\.(?:exe|cmd|bat)$/iu, '')
  if (/^(?:code|code-insiders|codium|cursor|windsurf|vscodium)$/u.test(name))
    return [command, ...given, '--goto', `${file}:${line}:${column}`]
  if (/^(?:subl|zed|zeditor|hx|helix)$/u.test(name)) return [command, ...given, `${file}:${line}:${column}`]
  if (/^(?:idea|webstorm|rider|goland|pycharm)(?:64)?$/u.test(name))
    return [command, ...given, '--line', String(line), file]
  return [command, ...given, `+${line}`, file]
}

/** Words of a command as a shell splits them; quotes keep spaces. */
function words(text: string): readonly string[] {
  const parts = text.match(/"[^"]*"|'[^']*'|\S+/gu) ?? []
  return parts.map((part) => part.replace(/^(["'])(.*)\1$/su, '$2'))
}
