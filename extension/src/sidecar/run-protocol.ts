import type { ArgumentValue } from './protocol.ts'

/** What the process of one run is told, over IPC. */
export interface RunOrder {
  /** The app's module. */
  readonly file: string
  /** As `-A` of the worker: `file` or `file:export`. */
  readonly app: string
  readonly task: string
  readonly args: readonly ArgumentValue[]
}

/** What it tells. After `sent` or `failed` it has nothing more to say. */
export type RunNote =
  /** The task is found; where it will be sent. */
  | { readonly on: 'loaded'; readonly queue: string | undefined }
  | { readonly on: 'sent'; readonly id: string }
  | {
      readonly on: 'failed'
      /** One sentence. */
      readonly message: string
      /** Where and why, in full. */
      readonly detail: string
    }
