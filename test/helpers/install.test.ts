import { expect, test } from 'vitest'
import { installCommand, isInstalled, skippedServices } from './install.ts'

test('nothing is skipped unless TQ_SKIP names it', () => {
  expect(skippedServices({})).toEqual([])
  expect(skippedServices({ TQ_SKIP: '' })).toEqual([])
  expect(skippedServices({ TQ_SKIP: 'celery, redis,celery' })).toEqual(['celery', 'redis'])
})

test('a name that is no service is an error that lists the services', () => {
  expect(() => skippedServices({ TQ_SKIP: 'redis,rabbit' })).toThrow('rabbit. It is a comma list of redis, celery.')
})

test('a service whose probe does not run is missing', () => {
  expect(isInstalled({ name: 'x', packages: [], probe: ['no-such-program'] })).toBe(false)
  expect(isInstalled({ name: 'x', packages: [], probe: ['/bin/sh', '-c', 'exit 1'] })).toBe(false)
  expect(isInstalled({ name: 'x', packages: [], probe: ['/bin/sh', '-c', 'exit 0'] })).toBe(true)
})

test('the install command can be typed as it is printed', () => {
  expect(installCommand(['a', 'b'])).toBe('apt-get update && apt-get install -y --no-install-recommends a b')
})
