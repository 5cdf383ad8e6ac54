import { commands, Disposable, env, type QuickPickItem, QuickPickItemKind, Range, Uri, window, workspace } from 'vscode'
import { type DefinedTask, targetOf } from './catalogue.ts'
import type { CommandParts } from './command-parts.ts'
import type { TaskResult } from './results.ts'
import { refresh } from './sidecar/protocol.ts'
import { type StatusItem, statusItems } from './status-items.ts'
import { errorText } from './task-runner.ts'
import { afterName } from './views/tasks-model.ts'
import type { Subject } from './views/tree-node.ts'
import { complain, inspectWorker, startWorker, stopWorker } from './worker-commands.ts'

/**
 * What `tq.runTask` and its like may be called with, from a lens, a link or a keybinding: a definition, or a task by its name, and
 * for a run the texts that would be typed. A tree item gives its own; without anything the person is asked.
 */
export interface TaskRequest {
  readonly folder?: string | undefined
  /** `TaskInfo.id` */
  readonly definition?: string | undefined
  readonly task?: string | undefined
  readonly args?: readonly string[] | undefined
}

type Handler = (parts: CommandParts, argument: unknown) => unknown

const table: Readonly<Record<string, Handler>> = {
  'tq.runTask': runTask,
  'tq.runAgain': runAgain,
  'tq.cancelRun': cancelRun,
  'tq.openTask': openTask,
  'tq.showResult': async ({ documents, ...parts }, argument) => {
    const result = resultFor(parts, argument)
    if (!result) return void window.showInformationMessage(parts.messages.noResult)
    await documents.open(result.task, await documents.textOf(result))
  },
  'tq.copyResult': async ({ documents, ...parts }, argument) => {
    const result = resultFor(parts, argument)
    if (!result) return void window.showInformationMessage(parts.messages.noResult)
    await env.clipboard.writeText(await documents.textOf(result))
    window.setStatusBarMessage(parts.messages.copied, 2000)
  },
  'tq.clearInlineResults': ({ results }) => results.clearAll(Date.now()),
  'tq.startWorker': startWorker,
  'tq.stopWorker': stopWorker,
  'tq.inspectWorker': inspectWorker,
  'tq.refresh': ({ client, views }) => {
    if (client.state === 'ready') client.notify(refresh, undefined)
    else client.restart()
    views.updateTasks()
  },
  'tq.restart': ({ client }) => client.restart(),
  'tq.showLog': ({ log }) => log.show(),
  'tq.showStatus': showStatus,
}

/** Registers every command. One that fails says so, with the log one click away. */
export function registerCommands(parts: CommandParts): Disposable {
  return Disposable.from(
    ...Object.entries(table).map(([id, handle]) =>
      commands.registerCommand(id, async (argument: unknown) => {
        try {
          await handle(parts, argument)
        } catch (error) {
          parts.log.say('error', `${id}: ${errorText(error)}`)
          complain(parts, `tq: ${errorText(error)}`)
        }
      }),
    ),
  )
}

async function runTask(parts: CommandParts, argument: unknown): Promise<void> {
  if (!(await parts.runner.mayRun())) return
  const defined = definitionFor(parts, argument) ?? (await chooseTask(parts, parts.messages.chooseTask, isRunnable))
  if (!defined) return
  await reveal(defined)
  await parts.runner.run(defined, readRequest(argument).args)
}

async function runAgain(parts: CommandParts, argument: unknown): Promise<void> {
  if (!(await parts.runner.mayRun())) return
  const result = resultFor(parts, argument)
  const defined = definitionFor(parts, argument ?? (result && { ...result }))
  if (!defined) return void window.showInformationMessage(parts.messages.noResult)
  await parts.runner.runAgain(defined)
}

async function cancelRun({ results, runner, messages }: CommandParts): Promise<void> {
  const running = results.running()
  const items = running.map((run) => ({ label: run.task, description: run.args, run }))
  if (items.length === 0) return void window.showInformationMessage(messages.noRun)
  const chosen = items.length === 1 ? items[0] : await window.showQuickPick(items, { placeHolder: messages.chooseRun })
  if (chosen) await runner.cancel(chosen.run)
}

async function openTask(parts: CommandParts, argument: unknown): Promise<void> {
  const defined = definitionFor(parts, argument) ?? (await chooseTask(parts, parts.messages.chooseOpen, () => true))
  if (!defined) return
  const { line, column, endColumn, endLine } = defined.task.site
  const selection = new Range(line - 1, column - 1, endLine - 1, endColumn - 1)
  const isFromTree = parts.views.subjectOf(argument) !== undefined
  await window.showTextDocument(Uri.file(defined.file), { selection, preview: true, preserveFocus: isFromTree })
}

async function showStatus(parts: CommandParts): Promise<void> {
  const { messages, client, catalogue, cluster, results } = parts
  const { state, scanOnly, node } = client
  const told = statusItems({
    state,
    scanOnly,
    node,
    trusted: workspace.isTrusted,
    cluster,
    tasks: catalogue.all().filter(({ task }) => !task.inTest).length,
    problems: catalogue.problems,
    messages,
    nowMs: Date.now(),
  })
  const actions: readonly StatusItem[] = [
    ...(results.running().length > 0
      ? [{ label: `$(debug-stop) ${messages.cancelRun}`, command: 'tq.cancelRun' }]
      : []),
    ...(cluster.targets.length > 0 ? [{ label: `$(add) ${messages.startWorker}`, command: 'tq.startWorker' }] : []),
    ...(state === 'noNode' || scanOnly
      ? [{ label: `$(gear) ${messages.setNode}`, command: 'workbench.action.openSettings', argument: 'tq.nodePath' }]
      : []),
    { label: `$(output) ${messages.showLog}`, command: 'tq.showLog' },
    { label: `$(debug-restart) ${messages.restart}`, command: 'tq.restart' },
  ]
  const line = (label: string): QuickPickItem => ({ label, kind: QuickPickItemKind.Separator })
  const items = [line(messages.state), ...told.map(pickItem), line(messages.actions), ...actions.map(pickItem)]
  const chosen = await window.showQuickPick<QuickPickItem & Partial<Picked>>(items, { title: 'tq' })
  const { command, argument } = chosen?.item ?? {}
  if (command !== undefined) await commands.executeCommand(command, ...(argument === undefined ? [] : [argument]))
}

interface Picked extends QuickPickItem {
  readonly item: StatusItem
}

function pickItem(item: StatusItem): Picked {
  const { label, description, detail } = item
  return { label, item, ...(description !== undefined && { description }), ...(detail !== undefined && { detail }) }
}

/** The result at the definition is what the person waits for: its file is shown, where it is not. */
async function reveal(defined: DefinedTask): Promise<void> {
  const uri = Uri.file(defined.file)
  if (window.visibleTextEditors.some((one) => one.document.uri.fsPath === uri.fsPath)) return
  const line = defined.task.site.line - 1
  await window.showTextDocument(uri, { preview: true, preserveFocus: true, selection: new Range(line, 0, line, 0) })
}

async function chooseTask(
  { catalogue, messages }: CommandParts,
  placeHolder: string,
  filter: (defined: DefinedTask) => boolean,
): Promise<DefinedTask | undefined> {
  const items = catalogue
    .all()
    .filter(filter)
    .map((defined) => ({
      label: defined.task.name ?? defined.task.signature,
      description: afterName(defined.task),
      detail: `${defined.task.file}:${defined.task.site.line}`,
      defined,
    }))
    .sort((a, b) => (a.label < b.label ? -1 : 1))
  if (items.length === 0) return void window.showInformationMessage(messages.noTasks)
  return (await window.showQuickPick(items, { placeHolder, matchOnDescription: true, matchOnDetail: true }))?.defined
}

function isRunnable({ task }: DefinedTask): boolean {
  return task.name !== undefined && !task.inTest
}

function definitionFor({ catalogue, views, messages }: CommandParts, argument: unknown): DefinedTask | undefined {
  const subject: Subject | undefined = views.subjectOf(argument)
  if (subject?.kind === 'task') return catalogue.task(subject.folder, subject.id)
  const { folder, definition, task } = readRequest(argument)
  const folders = folder === undefined ? catalogue.folders : [folder]
  for (const one of folders) {
    const found = definition === undefined ? undefined : catalogue.task(one, definition)
    if (found) return found
    if (task === undefined) continue
    const named = catalogue.named(one, task).filter(isRunnable)
    const own = named.find((each) => targetOf(each) !== undefined) ?? named[0]
    if (own) return own
  }
  if (definition !== undefined || task !== undefined) {
    void window.showWarningMessage(messages.noDefinition(task ?? definition ?? ''))
  }
  return undefined
}

/** The result that a link names, else that of the line the cursor is on, else the newest. */
function resultFor(
  { results, catalogue }: Pick<CommandParts, 'results' | 'catalogue'>,
  argument: unknown,
): TaskResult | undefined {
  const { folder, task } = readRequest(argument)
  if (folder !== undefined && task !== undefined) return results.latest(folder, task)
  const editor = window.activeTextEditor
  const line = editor?.selection.active.line
  const here = editor
    ? catalogue.tasksIn(editor.document.uri.fsPath).find((one) => one.task.site.line - 1 === line)
    : undefined
  const own = here?.task.name === undefined ? undefined : results.latest(here.folder, here.task.name)
  return own ?? results.newest()
}

function readRequest(argument: unknown): TaskRequest {
  if (typeof argument !== 'object' || argument === null) return {}
  const given = new Map<string, unknown>(Object.entries(argument))
  const text = (name: string): string | undefined => {
    const value = given.get(name)
    return typeof value === 'string' ? value : undefined
  }
  const args = given.get('args')
  return {
    folder: text('folder'),
    definition: text('definition'),
    task: text('task'),
    args: Array.isArray(args) ? args.map(String) : undefined,
  }
}
