import type { ScanDiff, ScanResult, TaskInfo } from 'tq-runtime/scan'
import { Catalogue } from '../../extension/src/catalogue.ts'
import { Cluster } from '../../extension/src/cluster.ts'
import { createMessages, plainWords } from '../../extension/src/messages.ts'
import type { LiveWorker, Target } from '../../extension/src/sidecar/protocol.ts'
import type { TreeNode } from '../../extension/src/views/tree-node.ts'

/** What the extension's models are fed with in tests. */
export const messages = createMessages(plainWords)
export const folder = '/w/shop'
export const app = 'src/app.ts#app'
export const target: Target = {
  id: `${folder}#${app}`,
  folder,
  file: `${folder}/src/app.ts`,
  main: 'shop',
  broker: 'embedded',
  embedded: true,
  state: 'live',
}

export function taskInfo(name: string, given: Partial<TaskInfo> = {}): TaskInfo {
  const file = given.file ?? 'src/tasks/math.ts'
  const line = given.site?.line ?? 4
  const range = { start: line * 100, end: line * 100 + 3, line, column: 14, endLine: line, endColumn: 17 }
  return {
    id: `${file}#${name}`,
    kind: 'task',
    name,
    naming: 'literal',
    app,
    parameters: [],
    signature: `${name}(x: number): number`,
    options: {},
    file,
    range,
    site: range,
    ...given,
  }
}

export function scanResult(tasks: readonly TaskInfo[], given: Partial<ScanResult> = {}): ScanResult {
  const range = { start: 0, end: 1, line: 1, column: 1, endLine: 1, endColumn: 2 }
  return {
    folder,
    generation: 1,
    apps: [{ id: app, main: 'shop', file: 'src/app.ts', range }],
    tasks,
    calls: [],
    diagnostics: [],
    skipped: [],
    stale: [],
    files: { listed: 1, parsed: 1, cached: 0 },
    ...given,
  }
}

export function scanDiff(given: Partial<ScanDiff>): ScanDiff {
  return { generation: 2, versions: {}, added: [], changed: [], removed: [], calls: [], diagnostics: [], ...given }
}

export function liveWorker(hostname: string, given: Partial<LiveWorker> = {}): LiveWorker {
  return {
    hostname,
    pid: 7,
    software: 'tq 0.1.0',
    state: 'live',
    lastSeenMs: 0,
    active: 1,
    processed: 12,
    slots: 100,
    queues: ['celery'],
    registered: ['math.add'],
    ...given,
  }
}

export function shop(tasks: readonly TaskInfo[], workers: readonly LiveWorker[] = []) {
  const catalogue = new Catalogue()
  catalogue.replace(folder, scanResult(tasks))
  const cluster = new Cluster()
  cluster.setTargets([target])
  cluster.setLive({ target: target.id, workers, queues: [] })
  return { catalogue, cluster, messages, folders: [{ path: folder, name: 'shop' }] }
}

/** Labels and descriptions, indented. */
export function outline(nodes: readonly TreeNode[], indent = ''): string[] {
  return nodes.flatMap((one) => [
    `${indent}${[one.label, one.description].filter(Boolean).join(' | ')}`,
    ...outline(one.children ?? [], `${indent}  `),
  ])
}
