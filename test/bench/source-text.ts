/** Random numbers that are the same for the same seed. Source: the public-domain generator mulberry32. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  /** 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0]
  }

  /** Sizes as source files have them: half of them below `median`, few far above it. */
  size(median: number, most: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
    return Math.min(most, Math.round(median * Math.exp(0.95 * normal)))
  }
}

const nouns = [
  'order',
  'invoice',
  'customer',
  'ticket',
  'report',
  'session',
  'basket',
  'price',
  'stock',
  'mail',
] as const
const verbs = ['load', 'merge', 'render', 'check', 'sort', 'format', 'count', 'parse', 'store', 'group'] as const

function name(dice: Dice): string {
  const noun = dice.pick(nouns)
  return `${dice.pick(verbs)}${noun[0]?.toUpperCase()}${noun.slice(1)}${dice.below(1000)}`
}

/** A statement or a few, as they stand in the bodies of functions. */
export function statements(dice: Dice, count: number): string {
  let text = ''
  for (let n = 0; n < count; n++) {
    const [a, b] = [dice.pick(nouns), dice.below(100)]
    text += dice.pick([
      `  const ${a}${b} = rows.filter((row) => row.${a} !== undefined && row.count > ${b}).map(({ id, ${a} }) => ({ id, ${a} }))\n`,
      `  if (!Number.isFinite(limit) || limit < ${b}) {\n    throw new RangeError(\`The ${a} \${limit} is below ${b}.\`)\n  }\n`,
      `  // The ${a} may be missing where it was stored by an older version.\n  const ${a}Text${b} = options?.${a} ?? 'none'\n`,
      `  for (const [key, value] of Object.entries(table)) {\n    if (key.startsWith('${a}') && value) found.set(key, { ...value, at: ${b} })\n  }\n`,
      `  const answer${b} = await fetch(\`/api/${a}s/\${id}?page=${b}\`, { headers: { accept: 'application/json' } })\n`,
      `  log.info('${a} done', { count: found.size, tookMs: clock.now() - startedMs, page: ${b} })\n`,
    ])
  }
  return text
}

/** TypeScript without a task in it, of about that many characters. */
export function plainSource(dice: Dice, bytes: number, isView: boolean): string {
  let text = isView
    ? `import { useMemo, type ReactNode } from 'react'\nimport { Panel, Row } from '../ui/panel'\nimport type { Model } from './model'\n\n`
    : `import { clock, log } from '../core/log'\nimport type { Options, Table } from './model'\n\n`
  while (text.length < bytes) {
    const own = name(dice)
    if (isView && dice.next() < 0.5) {
      text += `export function ${own[0]?.toUpperCase()}${own.slice(1)}({ model, open }: { model: Model; open: boolean }): ReactNode {
  const rows = useMemo(() => model.rows.filter((row) => row.${dice.pick(nouns)} > ${dice.below(50)}), [model])
  return (
    <Panel title="${dice.pick(nouns)}" open={open} onClose={() => model.close(${dice.below(50)})}>
      {rows.map((row) => <Row key={row.id} label={row.${dice.pick(nouns)}} value={row.count} />)}
    </Panel>
  )
}\n\n`
    } else {
      text += dice.pick([
        `/** Gives each ${dice.pick(nouns)} its place. */\nexport async function ${own}(id: string, table: Table, options?: Options): Promise<number> {\n${statements(dice, 2 + dice.below(4))}  return found.size\n}\n\n`,
        `export interface ${own[0]?.toUpperCase()}${own.slice(1)} {\n  readonly id: string\n  readonly ${dice.pick(nouns)}?: number | undefined\n  readonly state: 'open' | 'closed' | 'gone'\n}\n\n`,
        `export class ${own[0]?.toUpperCase()}${own.slice(1)} {\n  readonly #rows = new Map<string, Table>()\n\n  async ${dice.pick(verbs)}(id: string, limit = ${dice.below(90)}): Promise<void> {\n${statements(dice, 2)}  }\n}\n\n`,
      ])
    }
  }
  return text
}

/** A module that a tool has written: one long table. */
export function tableSource(dice: Dice, bytes: number): string {
  const lines: string[] = []
  for (let length = 0; length < bytes; length += lines.at(-1)?.length ?? 0) {
    const [x, y] = [dice.below(1000), dice.below(1000)]
    lines.push(
      `  icon${lines.length}: { width: 24, height: 24, path: 'M${x} ${y}l${dice.below(90)} ${dice.below(90)}h${y}v${x}z', tags: ['${dice.pick(nouns)}'] },`,
    )
  }
  return `export const icons = {\n${lines.join('\n')}\n} as const\n`
}
