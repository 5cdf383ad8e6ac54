import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BuildResult, buildExtension, packageExtension } from '../../extension/build.ts'

let folder = ''
let built: BuildResult
let vsix = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tq-build-'))
  built = await buildExtension(join(folder, 'dist'))
  vsix = await packageExtension(join(folder, 'tq.vsix'), built.dist)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the bundle', () => {
  test("the editor's entry is small and holds neither parser nor drivers nor the runtime", () => {
    const inputs = inputsOf('extension.cjs')

    expect(statSync(join(built.dist, 'extension.cjs')).size).toBeLessThanOrEqual(300_000)
    expect(inputs.filter((one) => /ts-morph|typescript|ioredis|amqplib|runtime\/src/.test(one))).toEqual([])
  })

  test('the processes and their chunks lie beside each other', () => {
    const files = readdirSync(join(built.dist, 'sidecar'))

    for (const name of ['main.mjs', 'run-child.mjs', 'scan-host.mjs', 'settings-child.mjs'])
      expect(files).toContain(name)
    expect(files.filter((one) => !one.endsWith('.mjs'))).toEqual(['node_modules'])
  })

  test('the parser is only beside the scanner, and the drivers only in chunks of their own', () => {
    const holders = (what: RegExp): string[] =>
      Object.entries(built.inputs).flatMap(([file, inputs]) => (inputs.some((one) => what.test(one)) ? [file] : []))

    expect(holders(/node_modules\/(?:ts-morph|@ts-morph)\//)).toEqual([])
    const entries = /(?:main|run-child|scan-host|settings-child|extension)\.[mc]js$/
    const drivers = holders(/node_modules\/(?:ioredis|amqplib)\//)
    expect(drivers.length).toBeGreaterThan(0)
    expect(drivers.filter((one) => entries.test(one))).toEqual([])
  })

  test('the VSIX stays below five megabytes', () => {
    const { size } = statSync(vsix)

    expect(size).toBeGreaterThan(500_000)
    expect(size).toBeLessThanOrEqual(5_000_000)
  })
})

function inputsOf(name: string): readonly string[] {
  const found = Object.entries(built.inputs).find(([file]) => file.endsWith(name))
  return found?.[1] ?? []
}
