import { type Disposable, type LogOutputChannel, window } from 'vscode'
import type { TaskResult } from './results.ts'
import { durationText, oneLine } from './text.ts'

const valueLength = 400

/** The output channel `tq`: what the parts say and one line for every outcome. Levels are the editor's own setting. */
export class Log implements Disposable {
  readonly #channel: LogOutputChannel = window.createOutputChannel('tq', { log: true })

  say(level: 'debug' | 'info' | 'warn' | 'error' | 'output', text: string): void {
    if (level === 'output') this.#channel.info(`| ${text}`)
    else this.#channel[level](text)
  }

  outcome(result: TaskResult): void {
    const { state, task, id, args, runtimeMs, worker, retries } = result
    const parts = [
      `${state} ${oneLine(task, 200)}${args === undefined ? '' : oneLine(args, valueLength)}`,
      state === 'SUCCESS' ? `=> ${oneLine(result.text, valueLength)}` : oneLine(result.text, valueLength),
      ...(result.notice === undefined ? [] : [oneLine(result.notice, valueLength)]),
      ...(retries === undefined || retries === 0 ? [] : [`retries ${retries}`]),
      ...(runtimeMs === undefined ? [] : [durationText(runtimeMs)]),
      ...(worker === undefined ? [] : [oneLine(worker, 100)]),
      ...(id === undefined ? [] : [id]),
    ].filter((one) => one !== '')
    const level = state === 'FAILURE' || state === 'ERROR' ? 'error' : state === 'RETRY' ? 'warn' : 'info'
    this.#channel[level](parts.join('  '))
  }

  show(): void {
    this.#channel.show(true)
  }

  dispose(): void {
    this.#channel.dispose()
  }
}
