import { expect, test } from 'vitest'
import { maskUrl } from '../../runtime/src/core/url.ts'

test.each([
  ['a password', 'redis://user:secret@host:6379/0', 'redis://user:***@host:6379/0'],
  ['a password without a user', 'redis://:secret@host/1', 'redis://:***@host/1'],
  ['an escaped password', 'amqp://u:p%40ss@host//', 'amqp://u:***@host//'],
  ['a secret in the query', 'redis://host/0?password=secret&db=1', 'redis://host/0?password=***&db=1'],
  ['a password and a secret', 'rediss://u:secret@host/0?x=1&token=t0k', 'rediss://u:***@host/0?x=1&token=***'],
  ['a secret whatever its case', 'redis://host?Secret=abc', 'redis://host?Secret=***'],
  ['each of several URLs', 'redis://:one@a;redis://:two@b', 'redis://:***@a;redis://:***@b'],
  ['what is no URL', 'redis://u:sec ret@ho st:port/0', 'redis://***'],
])('%s is masked', (_, url, masked) => {
  expect(maskUrl(url)).toBe(masked)
})

test.each([
  'redis://host:6379/0',
  'sqlite:///srv/tq.db',
  'memory://',
  'redis://user@host/0',
  'sqlite:///srv/a@b/tq.db',
  'nonsense',
])('%s has nothing to hide', (url) => {
  expect(maskUrl(url)).toBe(url)
})

test.each([
  'redis://u:hunter2@ho:st:99/0',
  'redis://u:hunter2@host:99999999',
  'redis://u:p/hunter2@host/0',
  'redis://u:12/hunter2@host/0',
  'redis://u:hunter2@@host/0',
  'redis://u:hun;ter2hunter2@host/0',
  'sentinel://:hunter2@a:1;b:2;sentinel://:hunter2@c:3',
])('no part of the password of %s is shown', (url) => {
  expect(maskUrl(url)).not.toContain('hunter2')
})
