import { writeFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { countOf } from './notes.ts'
import type { TaskLine } from './protocol.ts'
import { scan } from './scan.ts'
import type { Session } from './session.ts'

/** What a line that is for the REPL itself, not for the engine, asks the surface to do. */
export interface CommandResult {
  readonly text?: string | undefined
  readonly problem?: string | undefined
  readonly effect?: 'exit' | 'clear' | undefined
  /** Inputs to evaluate again, in this order. */
  readonly replay?: readonly string[] | undefined
  /** Text for the pager. */
  readonly page?: string | undefined
}

interface Command {
  readonly usage: string
  readonly doc: string
  run(argument: string, session: Session): CommandResult | Promise<CommandResult>
}

/** The commands; `.help` and completion are made from this table. */
export const commands: Readonly<Record<string, Command>> = {
  '.help': { usage: '.help', doc: 'this list', run: () => ({ text: helpText() }) },
  '.examples': {
    usage: '.examples',
    doc: 'lines to try with the tasks of this app',
    run: async (_argument, session) => ({ text: exampleText((await session.ready).tasks) }),
  },
  '.tasks': {
    usage: '.tasks',
    doc: 'every task with its signature, place and queue',
    run: async (_argument, session) => ({ text: taskTable((await session.engine.request({ op: 'tasks' })).tasks) }),
  },
  '.eager': {
    usage: '.eager',
    doc: 'run tasks here, now, as a worker would',
    run: (_argument, session) => setEager(session),
  },
  '.worker': {
    usage: '.worker, .live',
    doc: 'leave eager mode: tasks go through the broker to a worker',
    run: (_argument, session) => goLive(session),
  },
  '.live': { usage: '', doc: '', run: (_argument, session) => goLive(session) },
  '.as': {
    usage: '.as cli',
    doc: 'the last call as a shell line',
    run: async (argument, session) => {
      if (argument !== 'cli') return { problem: `.as knows 'cli', not '${argument}'.` }
      return session.engine.request({ op: 'asCli' })
    },
  },
  '.save': { usage: '.save FILE', doc: 'the inputs so far as a script', run: (file, session) => save(file, session) },
  '.reload': {
    usage: '.reload',
    doc: 'load the app and its modules again; bindings are lost',
    run: async (_argument, session) => {
      const ready = await session.reload()
      const again = session.inputs.length === 0 ? '' : ` .rerun replays ${countOf(session.inputs.length, 'input')}.`
      return { text: `Reloaded: ${countOf(ready.tasks.length, 'task')}.${again}` }
    },
  },
  '.rerun': {
    usage: '.rerun',
    doc: 'evaluate the inputs of this session again',
    run: (_argument, session) => ({ replay: session.takeInputs() }),
  },
  '.full': {
    usage: '.full',
    doc: 'the last value without cuts, in the pager',
    run: async (_argument, session) => ({ page: (await session.engine.request({ op: 'full', colours: false })).text }),
  },
  '.trace': {
    usage: '.trace',
    doc: 'the last error with every frame',
    run: async (_argument, session) => session.engine.request({ op: 'trace' }),
  },
  '.clear': { usage: '.clear', doc: 'clear the screen (Ctrl-L)', run: () => ({ effect: 'clear' }) },
  '.exit': { usage: '.exit', doc: 'leave (Ctrl-D)', run: () => ({ effect: 'exit' }) },
}

/** `.name argument`, or `name?`; undefined when the line is code. */
export function commandOf(line: string): { readonly run: (session: Session) => Promise<CommandResult> } | undefined {
  const text = line.trim()
  const asked = /^([\p{ID_Start}$_][\p{ID_Continue}$.]*)\s*\?$/u.exec(text)?.[1]
  if (asked !== undefined) return { run: async (session) => session.engine.request({ op: 'describe', name: asked }) }
  const given = /^(\.[a-z]+)(?:\s+(.*))?$/su.exec(text)
  if (given?.[1] === undefined) return undefined
  const name = given[1]
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined)
    return { run: () => Promise.resolve({ problem: `There is no command '${name}'. ${suggestion(name)}` }) }
  return { run: async (session) => command.run(given[2]?.trim() ?? '', session) }
}

function suggestion(name: string): string {
  const shared = (known: string): number => Array.from(known).findIndex((letter, i) => letter !== name[i])
  const [near] = Object.keys(commands)
    .filter((known) => known.startsWith(name.slice(0, 2)))
    .toSorted((a, b) => shared(b) - shared(a) || a.length - b.length)
  return near === undefined ? '.help lists them.' : `Did you mean ${near}?`
}

function helpText(): string {
  const rows = Object.values(commands)
    .filter(({ usage }) => usage !== '')
    .map(({ usage, doc }) => `  ${usage.padEnd(16)}${doc}`)
  return [
    ...rows,
    `  ${'name?'.padEnd(16)}signature, place and queue of a task`,
    `  ${'_  _r  _error'.padEnd(16)}the last value, the last AsyncResult, the last error`,
    '',
    'A promise is awaited; the result of a task is followed and its value printed. A trailing ; or an assignment is not followed.',
    'Ctrl-C stops waiting (the task goes on) or stops running code. Alt-Enter: a new line. Ctrl-R: search the history.',
  ].join('\n')
}

function exampleText(tasks: readonly TaskLine[]): string {
  const task = tasks.find(({ binding }) => binding !== undefined)
  if (task?.binding === undefined) return 'There are no tasks in scope. .tasks lists those of the app.'
  const name = task.binding
  return [
    `${name}?`.padEnd(36) + 'what it takes and where it is',
    `${name}.delay(…)`.padEnd(36) + 'send it and follow the result',
    `const r = await ${name}.delay(…)`.padEnd(36) + 'send it and keep the result',
    'await r.get()'.padEnd(36) + 'its value',
    '.eager'.padEnd(36) + 'run tasks here, without a worker',
  ].join('\n')
}

function taskTable(tasks: readonly TaskLine[]): string {
  if (tasks.length === 0) return 'The app has no tasks.'
  const rows = tasks.map((task) => {
    const signature = task.signature.startsWith(task.name) ? task.signature : `${task.name}${task.signature}`
    return [task.binding ?? '-', signature, task.place ?? '', task.queue ?? ''] as const
  })
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

async function setEager(session: Session): Promise<CommandResult> {
  const { eager, problem } = await session.engine.request({ op: 'eager', on: true })
  session.eager = eager
  return problem === undefined ? { text: 'Tasks run here, now. .worker sends them to a worker again.' } : { problem }
}

async function goLive(session: Session): Promise<CommandResult> {
  const { worker, problem } = await session.engine.request({ op: 'worker' })
  if (problem !== undefined) return { problem }
  session.eager = false
  return {
    text: worker === undefined || worker === '' ? 'Tasks go to the broker.' : `Tasks go to the broker: ${worker}.`,
  }
}

async function save(file: string, session: Session): Promise<CommandResult> {
  if (file === '') return { problem: '.save needs the name of a file: .save session.ts' }
  const ready = await session.ready
  const path = resolve(ready.projectFolder, file)
  const { tasks } = await session.engine.request({ op: 'tasks' })
  try {
    writeFileSync(
      path,
      scriptOf(session.inputs, tasks, { appFile: ready.file, projectFolder: ready.projectFolder, path }),
    )
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
  return { text: `Wrote ${countOf(session.inputs.length, 'input')} to ${relative(process.cwd(), path)}.` }
}

interface ScriptPlace {
  readonly appFile?: string | undefined
  readonly projectFolder: string
  readonly path: string
}

/** The session as a module that runs by itself: imports of what it names, the inputs, and the app closed at the end. */
function scriptOf(inputs: readonly string[], tasks: readonly TaskLine[], place: ScriptPlace): string {
  const used = new Set(
    inputs.flatMap((input) =>
      scan(input)
        .tokens.filter(({ kind }) => kind === 'name')
        .map(({ text }) => text),
    ),
  )
  const from = (file: string): string => {
    const path = relative(dirname(place.path), resolve(place.projectFolder, file)).split(sep).join('/')
    return path.startsWith('.') ? path : `./${path}`
  }
  const lines: string[] = []
  const library = ['chain', 'group', 'chord'].filter((name) => used.has(name))
  if (library.length > 0) lines.push(`import { ${library.join(', ')} } from 'tq-runtime'`)
  if (place.appFile !== undefined) lines.push(`import { app } from '${from(place.appFile)}'`)
  for (const { binding, file } of tasks) {
    if (binding !== undefined && file !== undefined && used.has(binding))
      lines.push(`import { ${binding} } from '${from(file)}'`)
  }
  const closing = place.appFile === undefined ? [] : ['', 'await app.close()']
  return [...lines, '', ...inputs, ...closing, ''].join('\n')
}
