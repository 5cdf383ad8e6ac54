import { expect, test } from 'vitest'
import { installCommand, installMissing, isInstalled, serviceNeeds, skippedServices } from './install.ts'

test('nothing is skipped unless TQ_SKIP names it', () => {
  expect(skippedServices({})).toEqual([])
  expect(skippedServices({ TQ_SKIP: '' })).toEqual([])
  expect(skippedServices({ TQ_SKIP: 'celery, redis,celery' })).toEqual(['celery', 'redis'])
})

test('a name that is no service is an error that lists the services', () => {
  expect(() => skippedServices({ TQ_SKIP: 'redis,rabbit' })).toThrow(
    `rabbit. It is a comma list of ${serviceNeeds.map(({ name }) => name).join(', ')}.`,
  )
})

test('a service whose probe does not run is missing', () => {
  expect(isInstalled({ name: 'x', packages: [], probe: ['no-such-program'] })).toBe(false)
  expect(isInstalled({ name: 'x', packages: [], probe: ['/bin/sh', '-c', 'exit 1'] })).toBe(false)
  expect(isInstalled({ name: 'x', packages: [], probe: ['/bin/sh', '-c', 'exit 0'] })).toBe(true)
})

test('the install command can be typed as it is printed', () => {
  expect(installCommand(['a', 'b'])).toBe('apt-get update && apt-get install -y --no-install-recommends a b')
})

test('a program is installed once the packages are there, and what went wrong is the reason', () => {
  const said: string[] = []
  const failing = {
    what: 'a thing',
    command: 'make thing',
    isInstalled: () => false,
    install: () => {
      throw new Error('make thing ended with code 2')
    },
  }
  const need = { name: 'x', packages: [], probe: ['/bin/sh', '-c', 'exit 0'] as const }

  const problems = installMissing([{ ...need, program: failing }], (line) => said.push(line))
  const incomplete = installMissing([{ ...need, program: { ...failing, install: () => {} } }], () => {})
  const complete = installMissing([{ ...need, program: { ...failing, isInstalled: () => true } }], () => {})

  expect(said).toEqual(['Installing a thing'])
  expect(problems.map(({ reason }) => reason)).toEqual(['installing failed:\nmake thing ended with code 2'])
  expect(incomplete.map(({ reason }) => reason)).toEqual(['installed, but it is not complete'])
  expect(complete).toEqual([])
})
