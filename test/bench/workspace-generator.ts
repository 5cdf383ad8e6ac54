import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Dice, plainSource, statements, tableSource } from './source-text.ts'

export interface WorkspaceOptions {
  /** The same seed gives the same files. */
  readonly seed: number
  /** TypeScript files in all; 1,000 at least. */
  readonly files: number
}

/** What was written, and what a scan has to find in it. */
export interface GeneratedWorkspace {
  readonly folder: string
  readonly files: number
  readonly bytes: number
  /** Files that define tasks. */
  readonly taskFiles: number
  readonly definitions: number
  readonly calls: number
  /** Name that two definitions of one app have; neither of them is written out. */
  readonly collision: string
  /** A file of 10 tasks, to be edited. */
  readonly taskFile: string
  /** A file of constants on which the names of tasks in `dependents` other files rest. */
  readonly constantsFile: string
  readonly dependents: number
}

const services = 10
const libraries = 30
const taskFilesPerService = 50
const callFilesPerService = 20

/**
 * Writes a workspace of packages as teams have them: services with an app, constants, tasks in ten forms behind barrels and
 * files that call them; libraries and views without tasks; a few tables of 100 to 500 kB.
 */
export function generateWorkspace(folder: string, { seed, files }: WorkspaceOptions): GeneratedWorkspace {
  const tree = new Tree(folder)
  tree.other('package.json', JSON.stringify({ private: true, type: 'module', workspaces: ['packages/*'] }))
  tree.other('tsconfig.json', JSON.stringify({ compilerOptions: { module: 'NodeNext', strict: true } }))
  tree.other('.gitignore', 'node_modules/\ndist/\n')
  const written = { definitions: 0, calls: 0, dependents: 0 }
  const perPackage = Math.floor(files / (services + libraries))
  for (let at = 0; at < services + libraries; at++) {
    const name = `${at < services ? 'service' : 'library'}-${String(at).padStart(2, '0')}`
    const dice = new Dice(seed * 1000 + at)
    const packageFolder = `packages/${name}`
    tree.other(`${packageFolder}/package.json`, JSON.stringify({ name: `@acme/${name}`, exports: './src/index.ts' }))
    tree.other(`${packageFolder}/tsconfig.json`, JSON.stringify({ extends: '../../tsconfig.json' }))
    const isLast = at === services + libraries - 1
    const end = isLast ? files : tree.files + perPackage
    if (at < services) {
      const service = new Service(tree, dice, `${packageFolder}/src`, name.replace('-', ''))
      service.write()
      written.definitions += service.definitions
      written.calls += service.calls
      if (at === 0) written.dependents = service.dependents
    } else if (at % 5 === 0)
      tree.source(`${packageFolder}/src/icons.ts`, tableSource(dice, 100_000 + dice.below(400_000)))
    for (let n = 0; tree.files < end; n++) {
      const isView = dice.next() < 0.35
      const path = `${packageFolder}/src/${dice.pick(['core', 'ui', 'model', 'api', 'pages'])}/part${n}.${isView ? 'tsx' : 'ts'}`
      tree.source(path, plainSource(dice, dice.size(1900, 40_000), isView))
    }
  }
  mkdirSync(join(folder, 'node_modules'))
  return {
    folder,
    files: tree.files,
    bytes: tree.bytes,
    taskFiles: services * taskFilesPerService,
    ...written,
    collision: 'service03.sync.nightly',
    taskFile: 'packages/service-00/src/tasks/area0/tasks0.ts',
    constantsFile: 'packages/service-00/src/constants.ts',
  }
}

class Tree {
  readonly #folder: string
  files = 0
  bytes = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  source(path: string, text: string): void {
    this.files++
    this.bytes += text.length
    this.other(path, text)
  }

  other(path: string, text: string): void {
    const whole = join(this.#folder, path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, text)
  }
}

/** One package with an app, its tasks and their callers. */
class Service {
  readonly #tree: Tree
  readonly #dice: Dice
  readonly #folder: string
  readonly #name: string
  readonly #exported: string[] = []
  readonly #literals: string[] = []
  definitions = 0
  calls = 0
  dependents = 0

  constructor(tree: Tree, dice: Dice, folder: string, name: string) {
    this.#tree = tree
    this.#dice = dice
    this.#folder = folder
    this.#name = name
  }

  write(): void {
    const name = this.#name
    this.#source(
      'app.ts',
      `import { Tq } from 'tq-runtime'\n\nexport const app = new Tq('${name}', { taskAcksLate: true })\n`,
    )
    this.#source('core/index.ts', `export { app } from '../app.ts'\nexport * from '../constants.ts'\n`)
    this.#source('constants.ts', constants(name))
    const areas = taskFilesPerService / 10
    for (let n = 0; n < taskFilesPerService; n++) {
      const isCollision = name === 'service03' && (n === 7 || n === 31)
      const count = n === 0 ? 10 : 6 + this.#dice.below(7)
      this.#source(`tasks/area${n % areas}/tasks${n}.ts`, this.#tasks(n, count, isCollision))
    }
    for (let area = 0; area < areas; area++) {
      const files = Array.from({ length: 10 }, (_, n) => `export * from './tasks${n * areas + area}.ts'\n`)
      this.#source(`tasks/area${area}/index.ts`, files.join(''))
    }
    const barrels = Array.from({ length: areas }, (_, area) => `export * from './area${area}/index.ts'\n`)
    this.#source('tasks/index.ts', barrels.join(''))
    this.#source('index.ts', `export { app } from './app.ts'\nexport * from './tasks/index.ts'\n`)
    for (let n = 0; n < callFilesPerService; n++) this.#source(`flows/flow${n}.ts`, this.#callers())
  }

  #source(path: string, text: string): void {
    this.#tree.source(`${this.#folder}/${path}`, text)
  }

  /** The forms in turn, each with a body of its own; only some of the files name tasks by constants. */
  #tasks(file: number, count: number, isCollision: boolean): string {
    const dice = this.#dice
    const from = dice.pick(['../../app.ts', '../../core/index.ts'])
    const imports = [`import { app } from '${from}'`]
    const byConstants = file !== 0 || isCollision
    if (byConstants) {
      imports.push(`import { NAMES, PREFIX, QUEUES, Step } from '../../core/index.ts'`)
      this.dependents++
    }
    imports.push(`import { sharedTask } from 'tq-runtime'`)
    let text = `${imports.join('\n')}\n\nconst { task } = app\n\n`
    for (let n = 0; n < count; n++) {
      const own = `run${file}x${n}`
      const label = `item${file}x${n}`
      const body = `(orderId: string, count = ${dice.below(9)}, note?: string): Promise<number> => {\n${statements(dice, 1 + dice.below(3))}  return count\n}`
      const literal = `'${this.#name}.${label}'`
      const forms = [
        () => `export const ${own} = app.task(${literal}, async ${body})\n`,
        () =>
          `async function ${own}Work(orderId: string, limit: number): Promise<string> {\n${statements(dice, 2)}  return orderId\n}\n\nexport const ${own} = app.task(${own}Work)\n`,
        () =>
          `export const ${own} = app.task(${literal}, { maxRetries: ${dice.below(9)}, queue: 'slow' }, async ${body})\n`,
        () => `export const ${own} = task(${literal}, async ${body})\n`,
        () => `export const ${own} = sharedTask('shared.${this.#name}.${label}', async ${body})\n`,
        () =>
          `/**\n * Does one ${label}.\n *\n * @param orderId Which one.\n */\nexport const ${own} = app.task(${literal}, { bind: true }, async (self, orderId: string): Promise<void> => {\n${statements(dice, 2)}})\n`,
        () => `export const ${own} = app.task(\`\${PREFIX}.\${NAMES.send}.${label}\`, async ${body})\n`,
        () => `export const ${own} = app.task(PREFIX + '.${label}', { queue: QUEUES.slow }, async ${body})\n`,
        () => `export const ${own} = app.task(NAMES.clean + Step.Last + '.${label}', async ${body})\n`,
        () => `export const group${own} = {\n  ${own}: app.task(\`\${NAMES.sync}.${label}\`, async ${body}),\n}\n`,
      ] as const
      const at = byConstants ? (file + n) % forms.length : n % 6
      text += `${(forms[at] ?? forms[0])()}\n`
      if (at < 9) this.#exported.push(own)
      if (at === 0) this.#literals.push(`${this.#name}.${label}`)
      this.definitions++
    }
    if (isCollision) {
      const collided = file === 7 ? '`${PREFIX}.${NAMES.sync}.nightly`' : `\`\${PREFIX}.sync.\${Step.Nightly}\``
      text += `export const nightly${file} = app.task(${collided}, async (day: string): Promise<string> => day)\n`
      this.definitions++
    }
    return text
  }

  /** One of the names that are written out; now and then there is no such task. */
  #literal(): string {
    const name = this.#literals[this.#dice.below(this.#literals.length)] ?? ''
    return this.#dice.next() < 0.03 ? name.replace('item', 'itme') : name
  }

  #callers(): string {
    const dice = this.#dice
    const count = 7 + dice.below(6)
    const used = Array.from({ length: count }, () => this.#exported[dice.below(this.#exported.length)] ?? '')
    const names = [...new Set(used)]
    let text = `import { ${names.join(', ')} } from '../tasks/index.ts'\nimport { app } from '../index.ts'\n\n`
    for (const [n, one] of used.entries()) {
      const call = dice.pick([
        `await ${one}.delay(orderId, ${n})`,
        `await ${one}.applyAsync([orderId], {}, { countdown: ${n} })`,
        `steps.push(${one}.s(orderId))`,
        `await app.sendTask('${this.#literal()}', [orderId, ${n}])`,
      ])
      text += `export async function flow${n}(orderId: string, rows: readonly Row[]): Promise<void> {\n${statements(dice, 2)}  ${call}\n}\n\n`
      this.calls++
    }
    return text
  }
}

function constants(name: string): string {
  return `/** Names of tasks are made of these. */
export const PREFIX = '${name}'

export const NAMES = {
  send: 'send',
  clean: \`\${PREFIX}.clean\`,
  sync: 'sync',
} as const

export const QUEUES = { slow: 'slow', quick: 'quick' } as const

export enum Step {
  First = 'first',
  Last = 'last',
  Nightly = 'nightly',
}
`
}
