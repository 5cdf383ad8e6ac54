import { type FSWatcher, watch } from 'node:fs'
import { sep } from 'node:path'
import type { Clock, Timer } from '../core/clock.ts'

/** What is started anew: ends by itself only when it fails. */
export interface Reloadable {
  /** Lets what runs end; resolves when it is gone. */
  stop(): Promise<void>
}

export interface ReloadingOptions {
  /** The project; changes in node_modules, .git, .tq, dist and coverage do not count. */
  readonly folder: string
  /** Starts one; `changed` is the file that made it necessary. Undefined: it could not be started, the next change tries again. */
  readonly start: (changed: string | undefined) => Promise<Reloadable | undefined>
  /** Asked after a change: false lets what runs go on, until another change. Default true. */
  readonly canStart?: ((changed: string) => Promise<boolean>) | undefined
  /** A file changed: what runs is told to end. */
  readonly onChanged?: ((name: string) => void) | undefined
  /** Files can no longer be watched. */
  readonly onDeaf: (error: Error) => void
  readonly clock: Clock
}

// An editor writes a file in several steps, a branch that is changed many files.
const settleMs = 200
const ignored = /(?:^|[\\/])(?:node_modules|\.git|\.tq|dist|coverage)(?:[\\/]|$)/u
const relevant = /(?:\.[cm]?[jt]sx?|\.json|\.env)$/u

/**
 * Keeps one thing running and starts it anew when a file of the project changes. The old one finishes what it runs; the new one starts
 * when it is gone, so that no two codes mix. What cannot be started leaves the old one at work.
 */
export class Reloading {
  readonly #options: ReloadingOptions
  readonly #watcher: FSWatcher
  #current: Reloadable | undefined
  #timer: Timer | undefined
  #turn: Promise<void>
  #isStopping = false

  constructor(options: ReloadingOptions) {
    this.#options = options
    this.#turn = this.#start(undefined)
    this.#watcher = watch(options.folder, { recursive: true }, (_, name) => {
      if (name !== null && relevant.test(name) && !ignored.test(name)) this.#changed(name.split(sep).join('/'))
    })
    this.#watcher.on('error', options.onDeaf)
  }

  /** Ends it for good. Resolves when what was running is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    this.#watcher.close()
    await this.#turn
    await this.#current?.stop()
  }

  #changed(name: string): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.timer(settleMs, () => {
      this.#turn = this.#turn.then(() => this.#restart(name))
    })
  }

  async #restart(name: string): Promise<void> {
    const canStart = this.#isStopping || ((await this.#options.canStart?.(name)) ?? true)
    if (this.#isStopping || !canStart) return
    const old = this.#current
    this.#current = undefined
    this.#options.onChanged?.(name)
    await old?.stop()
    await this.#start(name)
  }

  async #start(changed: string | undefined): Promise<void> {
    if (!this.#isStopping) this.#current = await this.#options.start(changed)
  }
}
