import { relative, resolve } from 'node:path'
import { Scanner } from '../scan/scanner.ts'
import type { Diagnostic, ScanResult, TaskInfo } from '../scan/task-info.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { ScanFlags } from './main.ts'
import { type Output, printable, table, toJson } from './output.ts'

/** `tq scan`: the tasks that the source defines, without importing any of it. Exit 1 on a collision: a check for CI. */
export async function runScan(folder: string | undefined, flags: ScanFlags, output: Output): Promise<void> {
  const scanner = await Scanner.open(resolve(folder ?? '.'), flags.cache ? {} : { cacheFile: null })
  const found = scanner.snapshot()
  scanner.saveCache()
  if (flags.json) output.data(toJson(found))
  else print(found, output)
  const names = new Set(found.diagnostics.filter(isCollision).map((one) => one.task ?? ''))
  if (names.size > 0) {
    const which = [...names].map((name) => `'${printable(name)}'`).join(', ')
    throw new CommandEnd(exitCodes.error, `${counted(names.size, 'task name')} defined more than once: ${which}.`)
  }
}

function isCollision({ code }: Diagnostic): boolean {
  return code === 'duplicate-task'
}

function print(found: ScanResult, output: Output): void {
  const shown = (file: string): string => printable(relative(process.cwd(), resolve(found.folder, file)))
  const rows = found.tasks.map((task) => [
    printable(task.signature),
    `${shown(task.file)}:${task.site.line}`,
    noteOn(task),
  ])
  if (rows.length > 0) output.data(table(rows))
  const { diagnostics, skipped, stale } = found
  for (const one of diagnostics) {
    const place = `${shown(one.file)}:${one.range.line}:${one.range.column}`
    output.note(`${place}  ${one.severity}  ${printable(one.message)}  [${one.code}]`)
    for (const other of one.related) {
      output.note(`    ${shown(other.file)}:${other.range.line}:${other.range.column}  ${printable(other.message)}`)
    }
  }
  for (const { file, reason, bytes } of skipped) output.note(`${shown(file)}  skipped: ${reason} (${bytes} bytes)`)
  for (const file of stale) output.note(`${shown(file)}  stale`)
  const files = new Set(found.tasks.map((one) => one.file)).size
  const dynamic = found.tasks.filter((one) => one.naming === 'dynamic').length
  const collisions = new Set(diagnostics.filter(isCollision).map((one) => one.task)).size
  const facts = [
    `${counted(found.tasks.length, 'task')} in ${counted(files, 'file')}`,
    counted(found.calls.length, 'call'),
    counted(collisions, 'collision'),
    ...(dynamic > 0 ? [counted(dynamic, 'dynamic name')] : []),
    ...(skipped.length > 0 ? [`${counted(skipped.length, 'file')} skipped`] : []),
    `${counted(found.files.listed, 'source file')} looked at`,
  ]
  output.note(facts.join(', '))
}

/** What is unusual about it. */
function noteOn(task: TaskInfo): string {
  const notes = [
    ...(task.kind === 'task' ? [] : [task.kind]),
    ...(task.naming === 'literal' || task.naming === 'constant' ? [] : [`${task.naming} name`]),
    ...(task.inTest ? ['test'] : []),
  ]
  return notes.join(', ')
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
