import { expect, test } from 'vitest'
import type { Signals } from '../../runtime/src/app/signals.ts'
import type { LogSetup, Logger } from '../../runtime/src/core/logger.ts'
import { Tq } from '../../runtime/src/index.ts'
import { setUpLogging } from '../../runtime/src/run/logging.ts'

const setup: LogSetup = {
  hostname: 'w1@test',
  level: 'info',
  file: undefined,
  format: '%(message)s',
  taskFormat: '%(task_name)s %(message)s',
  isColoured: false,
  redirectLevel: undefined,
}

const signals = [
  'setupLogging',
  'afterSetupLogger',
  'afterSetupTaskLogger',
] as const satisfies readonly (keyof Signals)[]

function loggerInto(lines: string[]): Logger {
  const note = (message: string): void => void lines.push(message)
  return { debug: note, info: note, warn: note, error: note }
}

test('a worker that sets logging up tells of it, for itself and for tasks', async () => {
  const app = new Tq('logs', { broker: 'memory://' })
  const heard: Signals['afterSetupLogger'][] = []
  app.on('afterSetupLogger', (event) => heard.push(event))
  app.on('afterSetupTaskLogger', (event) => heard.push(event))

  const end = await setUpLogging(app, setup)
  end()

  expect(heard).toMatchObject([
    { sender: 'w1@test', loglevel: 'info', logfile: undefined, format: '%(message)s', colorize: false },
    { sender: 'w1@test', loglevel: 'info', format: '%(task_name)s %(message)s' },
  ])
})

test('a listener of setupLogging takes the place of all that', async () => {
  const app = new Tq('logs', { broker: 'memory://' })
  const lines: string[] = []
  const heard: string[] = []
  app.on('setupLogging', async ({ useLogger, loglevel }) => {
    await Promise.resolve()
    useLogger(loggerInto(lines))
    heard.push(loglevel)
  })
  for (const signal of signals.slice(1)) app.on(signal, () => heard.push(signal))

  const end = await setUpLogging(app, setup)
  app.logger.info('said after it')
  end()

  expect(lines).toEqual(['said after it'])
  expect(heard).toEqual(['info'])
})

test('a logger of the app is left alone', async () => {
  const lines: string[] = []
  const app = new Tq('logs', { broker: 'memory://', logger: loggerInto(lines) })
  const heard: string[] = []
  app.on('afterSetupLogger', ({ sender }) => heard.push(sender))

  const end = await setUpLogging(app, setup)
  app.logger.debug('mine')
  end()

  expect({ lines, heard }).toEqual({ lines: ['mine'], heard: [] })
})
