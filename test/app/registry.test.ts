import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { TaskFunction } from '../../runtime/src/app/task.ts'
import { makeTask } from '../../runtime/src/app/task.ts'
import { Registry } from '../../runtime/src/app/registry.ts'
import { DuplicateTaskError } from '../../runtime/src/index.ts'
import { memoryApp } from '../../runtime/src/testing.ts'

const here = fileURLToPath(import.meta.url)

function taskOf(name: string, fn: TaskFunction, file: string, line: number) {
  const site = { file, line, column: 1 }
  return makeTask({ name, fn, options: {}, site, external: false }, () => undefined)
}

/** What the second definition of a name throws. */
function collision(first: ReturnType<typeof taskOf>, second: ReturnType<typeof taskOf>): unknown {
  const registry = new Registry()
  registry.register(first)
  try {
    registry.register(second)
  } catch (error) {
    return error
  }
  return undefined
}

test('two definitions of one name are an error that names both places', () => {
  const error = collision(
    taskOf('math.add', (x: number, y: number) => x + y, '/srv/a.ts', 3),
    taskOf('math.add', (x: number, y: number) => y + x, '/srv/b.ts', 7),
  )

  expect(error).toBeInstanceOf(DuplicateTaskError)
  expect(error).toMatchObject({ taskName: 'math.add', sites: ['/srv/a.ts:3:1', '/srv/b.ts:7:1'] })
  expect(error).toHaveProperty('message', expect.stringContaining('first at /srv/a.ts:3:1, again at /srv/b.ts:7:1'))
})

test('the places are those of the calls of task()', () => {
  const app = memoryApp()
  app.task('math.add', (x: number) => x)

  const define = (): unknown => app.task('math.add', (x: number) => x + 1)

  expect(define).toThrowError(
    expect.objectContaining({ sites: [expect.stringContaining(`${here}:`), expect.stringContaining(`${here}:`)] }),
  )
})

test('one function text in another file is a collision', () => {
  const fn = (x: number): number => x

  expect(collision(taskOf('a', fn, '/srv/a.ts', 1), taskOf('a', fn, '/srv/b.ts', 1))).toBeInstanceOf(DuplicateTaskError)
})

test('the same text in the same file replaces silently: a module was loaded twice', () => {
  const registry = new Registry()
  const again = taskOf('a', (x: number): number => x, '/srv/a.ts', 9)
  registry.register(taskOf('a', (x: number): number => x, '/srv/a.ts', 1))

  registry.register(again)

  expect(registry.get('a')).toBe(again)
})

test('names are sorted, and a mistyped one finds its neighbour', () => {
  const registry = new Registry()
  for (const name of ['mail.send', 'img.resize', 'math.add']) registry.register(taskOf(name, () => 1, '/srv/a.ts', 1))

  expect(registry.names()).toEqual(['img.resize', 'mail.send', 'math.add'])
  expect(registry.nearest('mail.sned')).toBe('mail.send')
  expect(registry.nearest('reports.daily')).toBeUndefined()
  expect(() => registry.require('mail.sned')).toThrowError(expect.objectContaining({ code: 'TQ_NOT_REGISTERED' }))
  expect(() => registry.require('mail.sned')).toThrowError('mail.sned')
})

test('an empty registry has no neighbour to offer', () => {
  expect(new Registry().nearest('add')).toBeUndefined()
})
