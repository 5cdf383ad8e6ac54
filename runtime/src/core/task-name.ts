import { dirname, extname, relative, sep } from 'node:path'
import { TaskNameError } from './errors.ts'

/**
 * The automatic name of a task: the app's name, the module's path relative to the folder of the file that made the app
 * (no extension, `index` dropped), the function's name; dots between. `proj.jobs.mail.send`. The runtime and the scanner
 * name tasks by this one function.
 * Throws TaskNameError where a name would be a guess: anonymous functions, files outside that folder.
 */
export function autoName(
  main: string,
  appFile: string | undefined,
  taskFile: string | undefined,
  fnName: string,
): string {
  if (fnName === '') {
    const where = taskFile ? ` in ${taskFile}` : ''
    throw new TaskNameError(
      `A task${where} has no name: an arrow function passed straight into task() is anonymous. Write the name: app.task('${main}.name', ...).`,
    )
  }
  if (!appFile || !taskFile) {
    throw new TaskNameError(
      `Task function '${fnName}' is not defined in a file, so it gets no automatic name. Write one: app.task('${main}.${fnName}', ...).`,
    )
  }
  const path = relative(dirname(appFile), taskFile)
  if (path.startsWith('..') || path === '') {
    if (path !== '') {
      throw new TaskNameError(
        `Task function '${fnName}' in ${taskFile} lies outside the app's folder ${dirname(appFile)}, so it gets no automatic name. Write one: app.task('${main}.${fnName}', ...).`,
      )
    }
  }
  const words = path.slice(0, path.length - extname(path).length).split(sep)
  if (words.at(-1) === 'index') words.pop()
  return [main, ...words, fnName].join('.')
}
