export { ScanError } from '../core/errors.ts'
export { ScanClient, type ScanClientOptions } from './scan-client.ts'
export { type FileEvent, Scanner, type ScannerOptions } from './scanner.ts'
export type {
  AppInfo,
  Argument,
  CallSite,
  Diagnostic,
  DiagnosticCode,
  Naming,
  Parameter,
  Range,
  RelatedPlace,
  ScanDiff,
  ScanResult,
  SkippedFile,
  TaskInfo,
} from './task-info.ts'
