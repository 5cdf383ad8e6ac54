import type { NotificationType } from 'vscode-jsonrpc'
import { logged } from './protocol.ts'
import type { Texts } from './texts.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'output'

/** The other end of the wire, as the rest of the sidecar sees it: what is told to it never fails. */
export interface Editor {
  send<P>(type: NotificationType<P>, params: P): void
  /** Cleaned and masked here. */
  log(level: LogLevel, text: string): void
}

/** `deliver` may reject or throw: an editor that is gone wants no notifications. */
export function editorOf(deliver: <P>(type: NotificationType<P>, params: P) => Promise<void>, texts: Texts): Editor {
  const editor: Editor = {
    send: (type, params) => {
      try {
        deliver(type, params).catch(() => undefined)
      } catch {
        // The connection is closed.
      }
    },
    log: (level, text) => editor.send(logged, { level, text: texts.block(text, longestLog) }),
  }
  return editor
}

const longestLog = 64_000
