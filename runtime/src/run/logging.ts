import { currentContext } from '../app/context.ts'
import type { TqApp } from '../app/tq.ts'
import { logFormat } from '../core/log-format.ts'
import { lineLogger, type Logger, type LogLevel, type LogSetup } from '../core/logger.ts'
import { fileNameFor, isPerChild, LogFile } from './log-file.ts'
import { redirectOutput } from './redirect-output.ts'

/**
 * Sets logging up in a process of a worker: where the app has no logger of its own, its entries are written as `setup` says, and what
 * the process writes to its standard streams is logged with the name and id of the task that wrote it. `index` is which child of the pool
 * it is, 0 the worker itself. Returns what ends it. Rejects with SettingError for a format or file that cannot be had.
 */
export async function setUpLogging(app: TqApp, setup: LogSetup, index = 0): Promise<() => void> {
  // Kept before anything is redirected: the log itself must not be.
  const stderr = process.stderr.write.bind(process.stderr)
  app.logLevel = setup.level
  const raw = (text: string): void => void stderr(text)
  const told = {
    sender: setup.hostname,
    loglevel: setup.level,
    logfile: setup.file === undefined ? undefined : fileNameFor(setup.file, { hostname: setup.hostname, index }),
    colorize: setup.isColoured,
  }
  app.logFile = told.logfile
  const { signals } = app
  const isListenersTask = signals.has('setupLogging')
  await signals.emit('setupLogging', () => ({
    ...told,
    format: setup.format,
    useLogger: (logger) => app.useLogger(logger),
  }))
  app.workerLog = { setup, write: raw }
  if (isListenersTask || app.hasOwnLogger) return () => {}
  // The lines of children go to their parent's file through it.
  const isOwnFile = setup.file !== undefined && (index === 0 || isPerChild(setup.file))
  const file = isOwnFile && told.logfile !== undefined ? new LogFile(told.logfile, raw) : undefined
  const write = file?.write ?? raw
  const look = { processName: index === 0 ? 'MainProcess' : `PoolWorker-${index}`, isColoured: setup.isColoured }
  const logger = lineLogger({
    level: () => app.logLevel,
    now: () => app.clock.now(),
    write,
    format: logFormat(setup.format, look),
    taskFormat: logFormat(setup.taskFormat, look),
  })
  app.useLogger(logger)
  app.hasOwnLogger = false // it is tq's own
  app.workerLog = { setup, write }
  await signals.emit('afterSetupLogger', () => ({ ...told, format: setup.format, logger }))
  await signals.emit('afterSetupTaskLogger', () => ({ ...told, format: setup.taskFormat, logger }))
  const restore = setup.redirectLevel === undefined ? undefined : redirectOutput(intoLog(app, setup.redirectLevel))
  return () => {
    restore?.()
    file?.close()
  }
}

function intoLog(app: TqApp, level: LogLevel): (line: string) => void {
  return (line) => {
    const logger: Logger = currentContext()?.logger ?? app.logger
    if (level !== 'silent') logger[level](line)
  }
}
