import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { conflictsOf, defaultKeymap, type Intent, isKey, type Keymap } from './keymap.ts'

/** Folder of the user's own files: `$XDG_CONFIG_HOME/tq`, else `~/.config/tq`; on Windows `%APPDATA%\tq`. */
export function configFolder(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  platform: NodeJS.Platform = process.platform,
): string {
  const { XDG_CONFIG_HOME = '', APPDATA = '' } = env
  if (XDG_CONFIG_HOME !== '') return join(XDG_CONFIG_HOME, 'tq')
  return platform === 'win32' && APPDATA !== '' ? join(APPDATA, 'tq') : join(home, '.config', 'tq')
}

export function keymapFile(folder: string): string {
  return join(folder, 'keymap.json')
}

export interface ReadKeymap {
  readonly keymap: Keymap
  /** Why the file was not taken, as sentences; then the keymap is the default one. */
  readonly problems: readonly string[]
}

/** The default keymap with the changes of a file; a file that is not there changes nothing. */
export function readKeymap(file: string): ReadKeymap {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { keymap: defaultKeymap, problems: [] }
    return refused([`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`])
  }
  try {
    return withChanges(JSON.parse(text))
  } catch (error) {
    return refused([`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`])
  }
}

/** `{ "retry": "r", "down": ["j", "down"], "terminate": [] }`: actions by their names, each with all of its keys; none takes them away. */
export function withChanges(changes: unknown): ReadKeymap {
  if (typeof changes !== 'object' || changes === null || Array.isArray(changes)) {
    return refused(['Expected the keymap to be an object of actions and keys, e.g. { "retry": "r" }.'])
  }
  const intents: readonly string[] = defaultKeymap.map(({ intent }) => intent)
  const problems: string[] = []
  const wanted = new Map<string, readonly string[]>()
  for (const [intent, given] of Object.entries(changes)) {
    if (intent === '$schema') continue
    const keys: readonly unknown[] = Array.isArray(given) ? given : [given]
    const wrong = keys.find((key) => typeof key !== 'string' || !isKey(key))
    if (!intents.includes(intent)) problems.push(`There is no action '${intent}'; tq-tui info --keymap lists them.`)
    else if (wrong !== undefined) {
      problems.push(
        `${intent}: expected a key such as "j", "ctrl-d", "space" or "pageDown", got ${JSON.stringify(wrong)}.`,
      )
    } else
      wanted.set(
        intent,
        keys.filter((key) => typeof key === 'string'),
      )
  }
  const keymap = defaultKeymap.map((one) => ({ ...one, keys: wanted.get(one.intent) ?? one.keys }))
  for (const needed of ['quit', 'quitOrBack'] satisfies Intent[]) {
    if (keymap.every(({ intent, keys }) => intent !== needed || keys.length === 0)) {
      problems.push(`${needed}: it needs a key, or there is no way out.`)
    }
  }
  problems.push(...conflictsOf(keymap))
  return problems.length > 0 ? refused(problems) : { keymap, problems }
}

/** The keymap as a file to begin with. */
export function keymapText(keymap: Keymap): string {
  const keys = Object.fromEntries(keymap.map((one) => [one.intent, one.keys]))
  const lines = Object.entries(keys).map(([intent, given]) => `  ${JSON.stringify(intent)}: ${JSON.stringify(given)}`)
  return `{\n${lines.join(',\n')}\n}\n`
}

function refused(problems: readonly string[]): ReadKeymap {
  return { keymap: defaultKeymap, problems }
}
