import { commands, window } from 'vscode'
import type { CommandParts } from './command-parts.ts'
import type { Messages } from './messages.ts'
import * as protocol from './sidecar/protocol.ts'
import { errorText } from './task-runner.ts'

/** Starts a worker for an app, which the person chooses where there are several. */
export async function startWorker({ client, cluster, runner, messages }: CommandParts): Promise<void> {
  if (!(await runner.mayRun())) return
  const items = cluster.targets.map((target) => ({
    label: target.main ?? target.id.slice(target.folder.length + 1),
    description: target.broker ?? '',
    target: target.id,
  }))
  if (items.length === 0) return void window.showWarningMessage(messages.noApp)
  const chosen = items.length === 1 ? items[0] : await window.showQuickPick(items, { placeHolder: messages.chooseApp })
  if (!chosen) return
  await inView(() => client.request(protocol.startWorker, { target: chosen.target }), messages.cannotStart, messages)
}

/** Stops a worker, once the person has said yes. */
export async function stopWorker(parts: CommandParts, argument: unknown): Promise<void> {
  const { client, runner, messages } = parts
  if (!(await runner.mayRun())) return
  const worker = await chooseWorker(parts, argument)
  if (!worker) return
  const question = messages.stopWorker(worker.hostname)
  const detail = { modal: true, detail: messages.stopDetail }
  if ((await window.showWarningMessage(question, detail, messages.stop)) !== messages.stop) return
  await inView(() => client.request(protocol.stopWorker, worker), messages.cannotStop, messages)
}

/** Opens what a worker says about itself. */
export async function inspectWorker(parts: CommandParts, argument: unknown): Promise<void> {
  const { client, documents, runner, messages } = parts
  if (!(await runner.mayRun())) return
  const worker = await chooseWorker(parts, argument)
  if (!worker) return
  const answer = await inView(() => client.request(protocol.inspectWorker, worker), messages.cannotInspect, messages)
  if (answer) await documents.open(worker.hostname, answer.lines.join('\n'))
}

/** Shows that something is on its way in the view of workers; says what went wrong. */
async function inView<T>(work: () => Promise<T>, what: string, messages: Messages): Promise<T | undefined> {
  try {
    return await window.withProgress({ location: { viewId: 'tq.workers' } }, work)
  } catch (error) {
    complain({ messages }, messages.failed(what, errorText(error)))
    return undefined
  }
}

/** An error, with the log one click away. */
export function complain({ messages }: Pick<CommandParts, 'messages'>, text: string): void {
  void window.showErrorMessage(text, messages.showLog).then((chosen) => {
    if (chosen !== undefined) void commands.executeCommand('tq.showLog')
  })
}

async function chooseWorker(
  { cluster, views, messages }: CommandParts,
  argument: unknown,
): Promise<{ readonly target: string; readonly hostname: string } | undefined> {
  const subject = views.subjectOf(argument)
  if (subject?.kind === 'worker') return { target: subject.target, hostname: subject.hostname }
  const items = cluster.targets.flatMap(({ id, main }) =>
    cluster
      .workers(id)
      .filter((one) => one.state === 'live')
      .map(({ hostname }) => ({ label: hostname, description: main ?? '', target: id, hostname })),
  )
  if (items.length === 0) return void window.showInformationMessage(messages.noWorker)
  return window.showQuickPick(items, { placeHolder: messages.chooseWorker })
}
