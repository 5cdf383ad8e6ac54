import { expect, test } from 'vitest'
import { resolveSettings, settingNames } from '../../runtime/src/core/resolve-settings.ts'
import { settingTable } from '../../runtime/src/core/settings.ts'

const settingError = (message: string | RegExp): unknown =>
  expect.objectContaining({
    code: 'TQ_SETTING',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  })

/** What a settings object that TypeScript would refuse is answered with. */
function refusal(input: Record<string, unknown>): unknown {
  try {
    resolveSettings(input)
  } catch (error) {
    return error
  }
  return undefined
}

test('without input every setting has the default of the table', () => {
  const settings: Record<string, unknown> = { ...resolveSettings() }

  expect(Object.keys(settings).sort()).toEqual([...settingNames()].sort())
  for (const name of settingNames()) expect(settings[name]).toEqual(settingTable[name].default)
})

test('every default is of its own kind', () => {
  const given = Object.fromEntries(settingNames().map((name) => [name, settingTable[name].default]))

  expect(refusal(given)).toBeUndefined()
})

test('Celery names are the snake case of ours, and each stands once', () => {
  const pairs = settingNames().flatMap((name) => {
    const { celery } = settingTable[name]
    return celery === undefined ? [] : [[name, celery]]
  })

  expect(pairs.map(([name = '']) => name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`))).toEqual(
    pairs.map(([, celery]) => celery),
  )
  expect(new Set(pairs.map(([, celery]) => celery)).size).toBe(pairs.length)
})

test('a later input wins over an earlier one, undefined says nothing', () => {
  const settings = resolveSettings(
    { taskDefaultQueue: 'one', taskAcksLate: true },
    { taskDefaultQueue: 'two', taskAcksLate: undefined },
  )

  expect(settings).toMatchObject({ taskDefaultQueue: 'two', taskAcksLate: true })
})

test('broker and backend are short for brokerUrl and resultBackend', () => {
  expect(resolveSettings({ broker: 'memory://', backend: 'disabled' })).toMatchObject({
    brokerUrl: 'memory://',
    resultBackend: 'disabled',
  })
})

test.each([
  ['taskAckLate', "There is no setting 'taskAckLate'. Did you mean 'taskAcksLate'?"],
  ['brokr', "There is no setting 'brokr'. Did you mean 'broker'?"],
  ['task_acks_late', "Setting 'task_acks_late' is called 'taskAcksLate' here."],
  ['colourOfTheShed', "There is no setting 'colourOfTheShed'."],
  ['toString', /^There is no setting 'toString'\./],
  ['__proto__x', /^There is no setting '__proto__x'\./],
])('an unknown setting %s is refused', (name, message) => {
  expect(refusal({ [name]: 1 })).toEqual(settingError(message))
})

test.each([
  ['taskDefaultQueue', 3, 'expected taskDefaultQueue to be a text, got 3'],
  ['resultExpires', -1, 'expected resultExpires to be a number that is not negative, got -1'],
  ['resultExpires', Number.NaN, 'expected resultExpires to be a number that is not negative, got NaN'],
  ['resultExpires', '60', "expected resultExpires to be a number that is not negative, got '60'"],
  ['taskAcksLate', 'yes', "expected taskAcksLate to be true or false, got 'yes'"],
  ['workerSendTaskEvents', 1, "expected workerSendTaskEvents to be true, false or 'auto', got 1"],
  [
    'workerPrefetchMultiplier',
    'four',
    "expected workerPrefetchMultiplier to be a number that is not negative, or 'auto', got 'four'",
  ],
  ['include', ['a', 1], 'expected include to be a list of texts, got a,1'],
  ['include', 'tasks/*.ts', "expected include to be a list of texts, got 'tasks/*.ts'"],
  ['brokerTransportOptions', [], 'expected brokerTransportOptions to be an object, got '],
  ['brokerTransportOptions', null, 'expected brokerTransportOptions to be an object, got null'],
  ['taskNames', 'guess', "expected taskNames to be 'automatic' or 'explicit', got 'guess'"],
  ['broker', 5, 'expected broker to be a text, got 5'],
])('%s refuses %j', (name, value, message) => {
  expect(refusal({ [name]: value })).toEqual(settingError(message))
})

test('a long value is shown shortened', () => {
  expect(refusal({ taskAcksLate: 'x'.repeat(200) })).toEqual(settingError(/x{70,79}\.\.\.$/))
})
