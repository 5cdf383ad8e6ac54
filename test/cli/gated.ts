import { makeProject, type Project } from '../helpers/project.ts'

/** A project with a task `wait` that says when it runs and ends when the file `go` is there. */
export function gated(settings = ''): Project {
  return makeProject({
    'app.ts': `import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('gated', { taskAcksLate: true, ${settings} })
export const wait = app.task('wait', async (what: string) => {
  console.log('running ' + what)
  while (!existsSync(new URL('go', import.meta.url))) await pause(5) // until the test makes the file
  console.log('through ' + what)
  return what
})
export const both = app.task('elsewhere', { queue: 'slow' }, () => 'there')
`,
  })
}

/** What the task `wait` has printed: it is in the log, with the task's name and id. */
export function printed({ stderr }: { readonly stderr: string }): readonly string[] {
  return [...stderr.matchAll(/ wait\[[^\]]+\]: ((?:running|through) .*)$/gm)].map(([, text = '']) => text)
}
