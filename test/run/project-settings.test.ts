import { describe, expect, test } from 'vitest'
import { findProject, saysNothing } from '../../runtime/src/run/project-settings.ts'
import { makeProject } from '../helpers/project.ts'

describe('finding the broker of a project', () => {
  test.each([
    ["export const app = new Tq('shop')", true],
    ["export const app = new Tq('shop', { include: ['./tasks/**/*.ts'], taskAcksLate: true })", true],
    ["new Tq('shop', { brokerUrl: 'redis://x' })", false],
    ["new Tq('shop', { ...settings })", false],
    ["new Tq('shop', settings)", false],
    ["new Tq('shop', { brokerTransportOptions: { sep: ':' } })", false],
    ["const app = new Tq('shop')\napp.configure(settings)", false],
    ["new Tq('shop')\nnew Tq('other')", false],
    ['new Tq(name)', false],
  ])('%j says nothing about it: %s', (text, expected) => {
    expect(saysNothing(text)).toBe(expected)
  })

  test('runs no code of the user where the text says nothing, and finds the app', async () => {
    const project = makeProject({
      'src/app.ts': "import { Tq } from 'tq-runtime'\nexport const app = new Tq('shop')\nthrow new Error('was run')\n",
    })

    const found = await findProject({ cwd: project.folder })

    expect(found).toMatchObject({ settings: {}, place: { file: project.path('src/app.ts') }, problem: undefined })
  })

  test('a broker that is named wins over everything and asks nobody', async () => {
    const project = makeProject({ 'src/app.ts': "throw new Error('was run')\nnew Tq(name)\n" })

    const { settings } = await findProject({ cwd: project.folder, broker: 'redis://named' })

    expect(settings).toEqual({ brokerUrl: 'redis://named' })
  })

  test('says why there is no app', async () => {
    const project = makeProject({ 'a.ts': "new Tq('a')", 'b.ts': "new Tq('b')" })

    const { place, problem } = await findProject({ cwd: project.folder })

    expect(place).toBeUndefined()
    expect(problem).toContain('2 files')
  })
})
