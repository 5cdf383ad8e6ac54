import { Disposable, Uri, window, workspace } from 'vscode'
import type { Messages } from '../messages.ts'
import type { TaskResult } from '../results.ts'
import type { SidecarClient } from '../sidecar-client.ts'
import { fullText } from '../sidecar/protocol.ts'

const scheme = 'tq-result'

/** Whole values and tracebacks, and what workers answer, as documents to read. */
export class ResultDocuments extends Disposable {
  readonly #client: SidecarClient
  readonly #messages: Messages
  // What the editor asks for by address; closed documents take theirs with them.
  readonly #texts = new Map<string, string>()

  constructor(client: SidecarClient, messages: Messages) {
    const parts = [
      workspace.registerTextDocumentContentProvider(scheme, {
        provideTextDocumentContent: (uri) => this.#texts.get(uri.toString()) ?? '',
      }),
      workspace.onDidCloseTextDocument(({ uri }) => this.#texts.delete(uri.toString())),
    ]
    super(() => {
      for (const one of parts) one.dispose()
    })
    this.#client = client
    this.#messages = messages
  }

  /** The whole text of a result, from the backend where it is still there. */
  async textOf(result: TaskResult): Promise<string> {
    const known = result.detail ?? result.text
    if (result.id === undefined || result.target === undefined) return known
    try {
      const { text, cutFrom } = await this.#client.request(fullText, { id: result.id, target: result.target })
      return cutFrom === undefined ? text : `${text}\n${this.#messages.cutFrom(cutFrom)}`
    } catch (error) {
      if (known !== '') return known
      return this.#messages.gone(error instanceof Error ? error.message : String(error))
    }
  }

  /** Opens a text to read; `name` is what the tab shows. */
  async open(name: string, text: string): Promise<void> {
    const uri = Uri.from({
      scheme,
      path: `/${name.replaceAll(/[^\w.@-]+/gu, '-').slice(0, 80)}.txt`,
      query: String(Date.now()),
    })
    this.#texts.set(uri.toString(), text)
    await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true })
  }
}
