import { spawn } from 'node:child_process'

/** The terminal while another program may have it: an editor, a pager, the shell. */
export class Lending {
  #count = 0

  /** True while another program has the terminal: Ctrl-C is for that one. */
  get isLent(): boolean {
    return this.#count > 0
  }

  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#count++
    try {
      return await work()
    } finally {
      this.#count--
    }
  }
}

/** Runs a program on this process's terminal, with `input` instead of its keys if given; resolves when it has ended, however it did. */
export function runOnTerminal(
  [command, ...args]: readonly [command: string, ...args: string[]],
  input?: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: [input === undefined ? 'inherit' : 'pipe', 'inherit', 'inherit'] })
    child.once('error', (error) => reject(new Error(`Could not start ${command}: ${error.message}`, { cause: error })))
    child.once('close', () => resolve())
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
