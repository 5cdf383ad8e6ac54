import { commandOf } from './commands.ts'
import { EngineEndedError, type EngineEnd } from './engine-client.ts'
import { endNote, followNote, promptOf, restartNote, waitingNote } from './notes.ts'
import type { EngineEvent, EvalAnswer, StartOptions } from './protocol.ts'
import { Session } from './session.ts'

export interface PlainOptions {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly colours: boolean
  readonly width: number
  /** A person on a terminal without abilities (TERM=dumb): prompts are printed and errors do not end the run. */
  readonly interactive: boolean
}

const patienceMs = 3_000

/**
 * The REPL without an editor, for pipes, `--eval` and dumb terminals. Values go to stdout and nothing else of ours does;
 * notes and errors go to stderr. A failing input ends the run, as `set -e` would.
 */
export class PlainLoop {
  readonly #options: PlainOptions
  readonly #session: Session
  #isReady = false
  #prompt = ''
  #broker = ''
  #hasWorker = false
  #end: EngineEnd | undefined
  #waiting: NodeJS.Timeout | undefined

  constructor(options: PlainOptions) {
    this.#options = options
    this.#session = new Session({
      // What modules print while they are loaded is no answer to anything.
      onOutput: (stream, text) => (stream === 'out' && this.#isReady ? options.stdout : options.stderr).write(text),
      onEvent: (event) => this.#onEvent(event),
      onEnd: (end) => (this.#end = end),
      onRestart: options.interactive ? (end) => this.#note(restartNote(end)) : undefined,
    })
  }

  /** Gives up what runs; the run then ends with 130. */
  interrupt(): boolean {
    return this.#session.interrupt()
  }

  /** Exit code: 0, 1 for an error, 3 for a failed task, 130 when interrupted. `inputs` are lines, or whole programs of `--eval`. */
  async run(start: StartOptions, inputs: AsyncIterable<string> | Iterable<string>): Promise<number> {
    try {
      const ready = await this.#session.start(start)
      this.#isReady = true
      this.#broker = ready.broker
      for (const note of ready.notes) this.#note(note)
      if (ready.failed) return 1
      return await this.#loop(inputs)
    } catch (error) {
      if (!(error instanceof EngineEndedError)) throw error
      this.#note(endNote(this.#end))
      return this.#end?.code ?? 1
    } finally {
      clearTimeout(this.#waiting)
      await this.#session.close()
    }
  }

  /** For a run that does not come about. */
  abandon(): Promise<void> {
    return this.#session.close()
  }

  async #loop(inputs: AsyncIterable<string> | Iterable<string>): Promise<number> {
    let block = ''
    await this.#ask('')
    for await (const line of inputs) {
      block = block === '' ? line : `${block}\n${line}`
      const code = await this.#input(block)
      if (code === 'exit') return 0
      if (typeof code === 'number' && !this.#options.interactive) return code
      if (code !== 'unfinished') block = ''
      await this.#ask(block)
    }
    if (block.trim() === '') return 0
    this.#error('SyntaxError: the input ends in the middle of a statement.')
    return 1
  }

  async #input(text: string): Promise<'fine' | 'unfinished' | 'exit' | number> {
    const command = commandOf(text)
    if (command === undefined) return this.#evaluate(text)
    const result = await command.run(this.#session)
    if (result.effect === 'exit') return 'exit'
    if (result.problem !== undefined) return this.#error(result.problem), 1
    const shown = result.text ?? result.page
    if (shown !== undefined && shown !== '') this.#options.stdout.write(`${shown}\n`)
    for (const again of result.replay ?? []) {
      const code = await this.#evaluate(again)
      if (code !== 'fine') return code
    }
    return 'fine'
  }

  async #evaluate(code: string): Promise<'fine' | 'unfinished' | number> {
    const { width, colours } = this.#options
    try {
      return this.#show(await this.#session.evaluate(code, { width, colours }))
    } catch (error) {
      if (!(error instanceof EngineEndedError)) throw error
      if (this.#options.interactive) return 1
      this.#note(endNote(this.#end))
      return this.#end?.code ?? 1
    } finally {
      clearTimeout(this.#waiting)
    }
  }

  #show(answer: EvalAnswer): 'fine' | 'unfinished' | number {
    if ('incomplete' in answer) return 'unfinished'
    const { stdout, interactive } = this.#options
    if ('error' in answer) {
      this.#error(answer.error.text)
      if (answer.followed !== undefined) this.#note(followNote(answer.followed, answer.ms))
      return answer.error.kind === 'interrupted' ? 130 : answer.error.kind === 'task' ? 3 : 1
    }
    if (answer.unfollowed !== undefined && !interactive) {
      this.#note(`Not followed: ${answer.unfollowed}`)
    } else if (answer.type !== 'undefined' || answer.followed !== undefined) {
      stdout.write(`${answer.text}\n`)
      if (answer.followed !== undefined) this.#note(followNote(answer.followed, answer.ms))
    }
    return 'fine'
  }

  #onEvent(event: EngineEvent): void {
    switch (event.event) {
      case 'unhandledRejection':
      case 'uncaughtException':
        return this.#error(
          `${event.event === 'unhandledRejection' ? 'Unhandled rejection' : 'Uncaught'}: ${event.text}`,
        )
      case 'worker':
        this.#hasWorker = event.text !== ''
        return this.#note(event.text)
      case 'note':
        return this.#note(event.text)
      case 'following':
        this.#waiting = setTimeout(() => {
          if (!this.#hasWorker) this.#note(waitingNote(this.#broker))
        }, patienceMs)
        return undefined
      case 'state':
        if (event.state !== 'PENDING') clearTimeout(this.#waiting)
        return undefined
    }
  }

  async #ask(block: string): Promise<void> {
    if (!this.#options.interactive) return
    this.#prompt = promptOf(await this.#session.ready, this.#session.eager)
    this.#options.stdout.write(block === '' ? this.#prompt : '... ')
  }

  #note(text: string): void {
    if (text !== '') this.#options.stderr.write(`${text}\n`)
  }

  #error(text: string): void {
    this.#options.stderr.write(`${text}\n`)
  }
}

/** Lines of a stream, the last one also without its newline. */
export async function* linesOf(stream: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield line.replace(/\r$/u, '')
  }
  if (rest !== '') yield rest
}
