import { describe, expect, test } from 'vitest'
import { layout, topicRegex } from '../../runtime/src/wire/redis-layout.ts'

const plain = layout({ db: 2 })

describe('queues', () => {
  test.each([
    [0, 'q'],
    [2, 'q'],
    [3, 'q\x06\x163'],
    [5, 'q\x06\x163'],
    [8, 'q\x06\x166'],
    [9, 'q\x06\x169'],
    [250, 'q\x06\x169'],
    [-1, 'q'],
  ])('priority %d is in the list of its step', (priority, key) => {
    expect(plain.queueKey('q', priority)).toBe(key)
  })

  test('all lists come most urgent first, with other steps and separators where they are set', () => {
    expect(plain.queueKeys('q')).toEqual(['q', 'q\x06\x163', 'q\x06\x166', 'q\x06\x169'])
    expect(layout({ db: 0, prioritySteps: [0, 1], separator: ':' }).queueKeys('q')).toEqual(['q', 'q:1'])
  })
})

describe('names', () => {
  test('are those of kombu and Celery', () => {
    expect(plain.unackedKey).toBe('unacked')
    expect(plain.unackedIndexKey).toBe('unacked_index')
    expect(plain.unackedMutexKey).toBe('unacked_mutex')
    expect(plain.bindingKey('celery')).toBe('_kombu.binding.celery')
    expect(plain.resultKey('id')).toBe('celery-task-meta-id')
    expect(plain.groupKey('g')).toBe('celery-taskset-meta-g')
    expect(plain.chordPartsKey('g')).toBe('celery-taskset-meta-g.j')
    expect(plain.chordAddedKey('g')).toBe('celery-taskset-meta-g.t')
    expect(plain.chordSizeKey('g')).toBe('celery-taskset-meta-g.s')
  })

  test('have the prefix of the broker before them, those of results their own', () => {
    const prefixed = layout({ db: 0, globalKeyprefix: 'app:', resultKeyprefix: 'res' })

    expect(prefixed.queueKey('q', 3)).toBe('app:q\x06\x163')
    expect(prefixed.unackedKey).toBe('app:unacked')
    expect(prefixed.bindingKey('x')).toBe('app:_kombu.binding.x')
    expect(prefixed.fanoutChannel('x')).toBe('app:/0.x')
    expect(prefixed.quarantineKey).toBe('app:tq.quarantine')
    expect(prefixed.resultKey('id')).toBe('res_celery-task-meta-id')
    expect(layout({ db: 0, resultKeyprefix: 'res:' }).resultKey('id')).toBe('res:celery-task-meta-id')
  })

  test('of results tell the task', () => {
    expect(plain.resultIdOf('celery-task-meta-id')).toBe('id')
    expect(plain.resultIdOf('celery-taskset-meta-id')).toBeUndefined()
  })
})

describe('fanout', () => {
  test('a channel has the database and the routing key in its name', () => {
    expect(plain.fanoutChannel('celery.pidbox')).toBe('/2.celery.pidbox')
    expect(plain.fanoutChannel('celeryev', 'task.sent')).toBe('/2.celeryev/task.sent')
  })

  test('a pattern has a star for the hash', () => {
    expect(plain.fanoutPattern('celeryev', 'worker.#')).toBe('/2.celeryev/worker.*')
    expect(plain.fanoutPattern('celeryev', '#')).toBe('/2.celeryev/*')
    expect(plain.fanoutPattern('celery.pidbox')).toBe('/2.celery.pidbox')
  })

  test('transport options change the names', () => {
    expect(layout({ db: 2, fanoutPrefix: false }).fanoutChannel('x', 'k')).toBe('x/k')
    expect(layout({ db: 2, fanoutPrefix: '/own-{db}.' }).fanoutChannel('x')).toBe('/own-2.x')
    expect(layout({ db: 2, fanoutPatterns: false }).fanoutChannel('x', 'k')).toBe('/2.x')
  })
})

describe('bindings', () => {
  test('are written and read', () => {
    const binding = { routingKey: 'key', pattern: '', queue: 'celery' }

    expect(plain.bindingMember(binding)).toBe('key\x06\x16\x06\x16celery')
    expect(plain.parseBindingMember(plain.bindingMember(binding))).toEqual(binding)
    expect(plain.parseBindingMember('nonsense')).toBeUndefined()
  })

  test('a topic becomes the expression that kombu stores', () => {
    expect(topicRegex('worker.*')).toBe('^worker\\..*?[^\\.]$')
    expect(topicRegex('a-b.#')).toBe('^a\\-b\\..*?$')
    expect(new RegExp(topicRegex('worker.#')).test('worker.online')).toBe(true)
    expect(new RegExp(topicRegex('worker.*')).test('task.sent')).toBe(false)
  })
})
