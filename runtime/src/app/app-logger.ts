import { type LoggedTask, type Logger, loggerOfTask } from '../core/logger.ts'

/** The logger of an app: one object that everybody may hold while what it writes to is replaced. */
export class AppLogger implements Logger {
  #target: Logger

  constructor(target: Logger) {
    this.#target = target
  }

  /** From now on entries go there. */
  use(target: Logger): void {
    this.#target = target
  }

  debug(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#target.debug(message, fields)
  }

  info(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#target.info(message, fields)
  }

  warn(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#target.warn(message, fields)
  }

  error(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#target.error(message, fields)
  }

  isEnabled(level: Parameters<NonNullable<Logger['isEnabled']>>[0]): boolean {
    return this.#target.isEnabled?.(level) ?? true
  }

  forTask(task: LoggedTask): Logger {
    return loggerOfTask(this.#target, task)
  }
}
