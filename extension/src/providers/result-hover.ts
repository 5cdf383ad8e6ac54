import { relative } from 'node:path'
import { MarkdownString, Uri } from 'vscode'
import type { Messages } from '../messages.ts'
import type { TaskResult } from '../results.ts'
import { oneLine } from '../text.ts'
import { readTraceback } from '../traceback.ts'

const mostFrames = 3
const mostDetail = 2000

/** The commands that the links of a hover may run. */
const linkCommands = ['tq.runAgain', 'tq.showResult', 'tq.copyResult']

/** What can be read and done about a result. Everything foreign in it is text, never Markdown. */
export function resultHover(result: TaskResult, folders: readonly string[], messages: Messages): MarkdownString {
  const hover = new MarkdownString()
  hover.isTrusted = { enabledCommands: linkCommands }
  const word = result.state === 'SUCCESS' ? '✓ OK' : result.state
  hover
    .appendMarkdown('**')
    .appendText(oneLine(`${word} ${result.task}`, 200))
    .appendMarkdown('**')
  const facts = [result.worker, result.id].filter((one) => one !== undefined).map((one) => oneLine(one, 100))
  if (facts.length > 0) hover.appendMarkdown('  \n').appendText(facts.join(' · '))
  if (result.args !== undefined) {
    hover.appendMarkdown('\n\n').appendText(`${messages.argumentsWord}: ${oneLine(result.args, 500)}`)
  }
  if (result.notice !== undefined) hover.appendMarkdown('\n\n').appendText(oneLine(result.notice, 500))
  const detail = result.detail ?? result.text
  if (result.state === 'SUCCESS') hover.appendCodeblock(cut(detail), 'javascript')
  else if (detail !== '') addFailure(hover, result, folders, messages)
  hover.appendMarkdown(`\n\n${links(result, messages)}`)
  return hover
}

function addFailure(hover: MarkdownString, result: TaskResult, folders: readonly string[], messages: Messages): void {
  if (result.text !== '') hover.appendCodeblock(cut(result.text), 'text')
  const { own, libraries } = readTraceback(result.detail ?? '', folders)
  for (const frame of own.slice(0, mostFrames)) {
    const name = /^at (.*?) \(/u.exec(frame.text)?.[1] ?? /, in (.*)$/u.exec(frame.text)?.[1]
    const folder = folders.find((one) => frame.file.startsWith(one)) ?? ''
    const place = `${relative(folder, frame.file)}:${frame.line}:${frame.column}`
    const uri = Uri.file(frame.file).with({ fragment: `L${frame.line},${frame.column}` })
    hover.appendMarkdown('\n\n').appendText(name === undefined ? 'at ' : `at ${oneLine(name, 80)} `)
    hover.appendMarkdown(`[${escaped(place)}](${uri.toString()})`)
  }
  const rest = libraries + Math.max(0, own.length - mostFrames)
  if (rest > 0) hover.appendMarkdown('\n\n').appendText(messages.libraryFrames(rest))
}

function links({ folder, task, definition }: TaskResult, messages: Messages): string {
  const argument = encodeURIComponent(
    JSON.stringify([{ folder, task, ...(definition !== undefined && { definition }) }]),
  )
  const link = (title: string, command: string): string => `[${escaped(title)}](command:${command}?${argument})`
  return [
    link(messages.runAgain, 'tq.runAgain'),
    link(messages.showWhole, 'tq.showResult'),
    link(messages.copy, 'tq.copyResult'),
  ].join(' | ')
}

function escaped(text: string): string {
  return text.replaceAll(/[\\`*_{}[\]()#+\-!<>|~&]/gu, '\\$&')
}

function cut(text: string): string {
  return text.length > mostDetail ? `${text.slice(0, mostDetail)}\n…` : text
}
