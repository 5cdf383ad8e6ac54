/** What the process answers with; the same in every command. */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  taskFailed: 3,
  timedOut: 4,
  noWorker: 5,
  /** A pid file of another process; as Celery and sysexits.h (EX_CANTCREAT). */
  cannotCreate: 73,
  interrupted: 130,
} as const

/** Ends a command with a code and a sentence for stderr, without a stack. */
export class CommandEnd extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}
