import type { FileEvent, ScannerOptions } from './scanner.ts'
import type { ScanDiff, ScanResult } from './task-info.ts'

/** What a client asks of the process that scans; JSON both ways. */
export interface ScanCalls {
  open: { readonly params: { readonly folder: string; readonly options: ScannerOptions }; readonly result: ScanResult }
  change: {
    readonly params: { readonly file: string; readonly text: string; readonly version: number }
    readonly result: ScanDiff
  }
  close: { readonly params: { readonly file: string }; readonly result: ScanDiff }
  fsEvents: { readonly params: { readonly events: readonly FileEvent[] }; readonly result: ScanDiff }
  snapshot: { readonly params: Readonly<Record<string, never>>; readonly result: ScanResult }
}

export type ScanRequest = {
  [M in keyof ScanCalls]: { readonly id: number; readonly method: M; readonly params: ScanCalls[M]['params'] }
}[keyof ScanCalls]

export type ScanReply =
  | { readonly id: number; readonly result: ScanDiff | ScanResult }
  | { readonly id: number; readonly error: string }
