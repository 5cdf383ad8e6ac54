import { realpathSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { takePlace } from '../../runtime/src/cli/process-place.ts'
import { temporaryFolder } from '../helpers/project.ts'

test('--workdir and --umask change folder and permissions of the process', () => {
  const [folder, mask] = [process.cwd(), process.umask()]
  onTestFinished(() => {
    process.chdir(folder)
    process.umask(mask)
  })
  const there = temporaryFolder()

  takePlace({ workdir: there, umask: '027' })

  expect([process.cwd(), process.umask()]).toEqual([realpathSync(there), 0o027])
})

test('a folder that is not there is an error that names it', () => {
  const missing = join(temporaryFolder(), 'missing')

  expect(() => takePlace({ workdir: missing })).toThrow(`Could not use the folder ${missing} (--workdir)`)
})

test('whoever is the user already needs no right to become it', () => {
  const { uid, username } = userInfo()

  expect(() => takePlace({ uid: username })).not.toThrow()
  expect(() => takePlace({ uid: String(uid) })).not.toThrow()
})

test('a user that there is not is an error', () => {
  expect(() => takePlace({ uid: 'no-such-user' })).toThrow('There is no user no-such-user (--uid)')
})
