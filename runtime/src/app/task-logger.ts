import { systemClock } from '../core/clock.ts'
import { consoleLogger, type Logger } from '../core/logger.ts'
import { currentContext } from './context.ts'

/**
 * A logger for modules of tasks, made once at their top: inside a task its entries go to the worker's log with the task's name and id, as
 * those of `self.logger` do; outside they go to `outside`, which by default writes warnings and errors to stderr.
 * Source: celery/utils/log.py, get_task_logger.
 */
export function taskLogger(outside: Logger = consoleLogger('warn', () => systemClock.now())): Logger {
  const current = (): Logger => currentContext()?.logger ?? outside
  return {
    debug: (message, fields) => current().debug(message, fields),
    info: (message, fields) => current().info(message, fields),
    warn: (message, fields) => current().warn(message, fields),
    error: (message, fields) => current().error(message, fields),
    isEnabled: (level) => current().isEnabled?.(level) ?? true,
  }
}
