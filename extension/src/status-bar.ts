import { Disposable, MarkdownString, StatusBarAlignment, ThemeColor, window, workspace } from 'vscode'
import type { Cluster } from './cluster.ts'
import type { Messages } from './messages.ts'
import type { SidecarClient } from './sidecar-client.ts'
import { type Status, statusOf } from './status.ts'

/** One item: which broker, or what is the matter. */
export class StatusBar extends Disposable {
  readonly #item = window.createStatusBarItem('tq.status', StatusBarAlignment.Left)
  #status: Status | undefined

  constructor(client: SidecarClient, cluster: Cluster, messages: Messages) {
    const update = (): void => {
      const { state, scanOnly } = client
      this.#show(statusOf({ state, scanOnly, trusted: workspace.isTrusted, cluster, messages }))
    }
    const parts = [client.onState(update), cluster.onChanged(update), workspace.onDidGrantWorkspaceTrust(update)]
    super(() => {
      for (const one of [...parts, this.#item]) one.dispose()
    })
    this.#item.name = 'tq'
    this.#item.command = 'tq.showStatus'
    update()
  }

  get text(): string {
    return this.#status?.text ?? ''
  }

  #show(status: Status | undefined): void {
    this.#status = status
    if (!status) {
      this.#item.hide()
      return
    }
    this.#item.text = status.isTrouble ? `$(warning) ${status.text}` : status.text
    this.#item.backgroundColor = status.isTrouble ? new ThemeColor('statusBarItem.errorBackground') : undefined
    const tooltip = new MarkdownString()
    for (const line of status.lines) tooltip.appendText(line).appendMarkdown('\n\n')
    this.#item.tooltip = tooltip
    this.#item.show()
  }
}
