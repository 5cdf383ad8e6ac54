import { basename, dirname } from 'node:path'
import type { TaskInfo } from 'tq-runtime/scan'
import { type Catalogue, type DefinedTask, keyOf } from '../catalogue.ts'
import type { Cluster, Registration } from '../cluster.ts'
import type { Messages } from '../messages.ts'
import { oneLine } from '../text.ts'
import type { TooltipPart, TreeNode } from './tree-node.ts'

export interface TasksInput {
  readonly folders: readonly { readonly path: string; readonly name: string }[]
  readonly catalogue: Catalogue
  readonly cluster: Cluster
  readonly messages: Messages
  /** Of the tree before: files in which nothing has changed keep their nodes. */
  readonly memo?: TasksMemo | undefined
}

/** Nodes of files, by their ids, with what they were made of. */
export type TasksMemo = Map<string, FileMemo>

interface FileMemo {
  readonly tasks: readonly DefinedTask[]
  readonly registrations: string
  readonly isOpen: boolean
  readonly node: TreeNode
}

// In a larger workspace the files come first, closed: the editor asks for every child of what is open.
const mostOpen = 300

/** Definitions by file; the folder and the app only where there are several. Then what only live workers have. */
export function tasksTree({ folders, memo = new Map(), ...given }: TasksInput): readonly TreeNode[] {
  const old = new Map(memo)
  memo.clear()
  const parts: Parts = { ...given, old, memo, registrations: given.cluster.registrations }
  const roots = folders.flatMap(({ path, name }): TreeNode[] => {
    const children = folderNodes(path, parts)
    return children.length === 0
      ? []
      : [{ id: `folder:${path}`, label: name, icon: 'root-folder', context: 'folder', children, isOpen: true }]
  })
  return folders.length > 1 ? roots : (roots[0]?.children ?? [])
}

interface Parts extends Pick<TasksInput, 'catalogue' | 'cluster' | 'messages'> {
  readonly old: ReadonlyMap<string, FileMemo>
  readonly memo: TasksMemo
  readonly registrations: string
}

function folderNodes(folder: string, parts: Parts): readonly TreeNode[] {
  const { catalogue, cluster, messages } = parts
  const tasks = catalogue.tasks(folder).filter(({ task }) => !task.inTest)
  const apps = catalogue.apps(folder)
  const usedApps = new Set(tasks.map(({ task }) => task.app))
  const isOpen = tasks.length <= mostOpen
  const isSplit = apps.length > 1 && usedApps.size > 1
  const groups: readonly TreeNode[] = isSplit
    ? [...usedApps]
        .sort((a = '', b = '') => (a < b ? -1 : 1))
        .map((app) => {
          const info = apps.find((one) => one.id === app)
          return {
            id: `app:${folder}#${app ?? ''}`,
            label: info?.main ?? (app === undefined ? 'shared' : app),
            description: info?.file,
            icon: 'package',
            context: 'app',
            isOpen: true,
            children: fileNodes(
              folder,
              `${app ?? ''}`,
              tasks.filter(({ task }) => task.app === app),
              isOpen,
              parts,
            ),
          }
        })
    : fileNodes(folder, '', tasks, isOpen, parts)
  const names = new Set(tasks.flatMap(({ task }) => task.name ?? []))
  const only = [...cluster.liveOnly(folder, names)].sort(([a], [b]) => (a < b ? -1 : 1))
  if (only.length === 0) return groups
  return [
    ...groups,
    {
      id: `live:${folder}`,
      label: messages.onlyOnWorkers,
      description: String(only.length),
      icon: 'server-process',
      context: 'live-group',
      tooltip: [{ text: messages.onlyOnWorkersTip }],
      children: only.map(([name, on]) => ({
        id: `live:${folder}#${name}`,
        label: oneLine(name, 200),
        description: on.map((one) => oneLine(one, 80)).join(', '),
        icon: 'symbol-method',
        context: 'task;live',
      })),
    },
  ]
}

function fileNodes(
  folder: string,
  app: string,
  tasks: readonly DefinedTask[],
  isOpen: boolean,
  { cluster, messages, old, memo, registrations }: Parts,
): readonly TreeNode[] {
  const files = new Map<string, DefinedTask[]>()
  for (const one of tasks) {
    const inFile = files.get(one.task.file)
    if (inFile) inFile.push(one)
    else files.set(one.task.file, [one])
  }
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, inFile]) => {
      const id = `file:${folder}#${app}#${file}`
      const known = old.get(id)
      const isSame =
        known?.isOpen === isOpen && known.registrations === registrations && isSameList(known.tasks, inFile)
      const node: TreeNode = isSame
        ? known.node
        : {
            id,
            label: basename(file),
            description: dirname(file) === '.' ? undefined : dirname(file),
            icon: 'symbol-file',
            context: 'file',
            ...(isOpen && { isOpen: true as const }),
            tooltip: [{ text: file }],
            children: inFile
              .toSorted((a, b) => a.task.range.start - b.task.range.start)
              .map((one) => taskNode(one, cluster.registration(one), messages)),
          }
      memo.set(id, { tasks: inFile, registrations, isOpen, node })
      return node
    })
}

function isSameList(a: readonly DefinedTask[], b: readonly DefinedTask[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index])
}

function taskNode(defined: DefinedTask, registration: Registration, messages: Messages): TreeNode {
  const { task, file, folder } = defined
  const isOn = typeof registration === 'object'
  const mark = isOn ? 'live' : registration === 'missing' ? 'missing' : ''
  const where = isOn
    ? messages.onWorkers(registration.on.length)
    : registration === 'missing'
      ? messages.onNoWorker
      : undefined
  const label = task.name ?? task.nameText ?? task.binding ?? task.id
  const signature = afterName(task)
  return {
    id: `task:${keyOf(defined)}`,
    label: oneLine(label, 200),
    description: [oneLine(signature, 200), registration === 'missing' ? messages.onNoWorker : undefined]
      .filter(Boolean)
      .join('  · '),
    icon: registration === 'missing' ? 'warning' : isOn ? 'circle-filled' : 'symbol-method',
    color:
      registration === 'missing'
        ? 'list.warningForeground'
        : isOn
          ? 'testing.iconPassed'
          : 'symbolIcon.methodForeground',
    tooltip: taskTooltip(task, where, messages),
    context: ['task', 'static', task.name === undefined ? '' : 'run', mark].filter(Boolean).join(';'),
    spoken: [label, signature, where].filter(Boolean).join(', '),
    subject: { kind: 'task', folder, id: task.id },
    open: { file, place: { line: task.site.line - 1, character: task.site.column - 1 } },
  }
}

/** The signature without the name before it. */
export function afterName(task: TaskInfo): string {
  const at = task.signature.indexOf('(')
  return at < 0 ? '' : task.signature.slice(at)
}

function taskTooltip(task: TaskInfo, where: string | undefined, messages: Messages): readonly TooltipPart[] {
  const queue = task.options['queue']
  const options = Object.entries(task.options).filter(([name]) => name !== 'queue' && name !== 'name')
  return [
    { code: task.signature },
    ...(task.doc === undefined ? [] : [{ text: task.doc }]),
    ...task.parameters.flatMap(({ name, doc }) => (doc === undefined ? [] : [{ label: name, text: doc }])),
    ...(typeof queue === 'string' ? [{ text: messages.queueOf(queue) }] : []),
    ...(options.length === 0
      ? []
      : [
          {
            label: messages.options,
            text: options.map(([name, value]) => `${name}: ${oneLine(JSON.stringify(value), 80)}`).join(', '),
          },
        ]),
    ...(where === undefined ? [] : [{ text: where }]),
    ...(task.name === undefined && task.naming === 'dynamic' ? [{ text: messages.dynamicName }] : []),
    { text: `${task.file}:${task.site.line}` },
  ]
}
