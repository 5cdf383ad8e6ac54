/** Something with a lifetime. `stop` is idempotent and gives up waiting at `deadlineMs` (a monotonic time). */
export interface Service {
  start(): Promise<void>
  stop(deadlineMs: number): Promise<void>
}

/** Starts services in order and stops them in reverse. A start that fails stops what was started already. */
export class ServiceStack implements Service {
  readonly #services: Service[] = []
  readonly #started: Service[] = []

  add(service: Service): void {
    this.#services.push(service)
  }

  async start(): Promise<void> {
    try {
      for (const service of this.#services) {
        await service.start()
        this.#started.push(service)
      }
    } catch (error) {
      await this.stop(0)
      throw error
    }
  }

  /** Stops every service even if one fails; then throws the first failure. */
  async stop(deadlineMs: number): Promise<void> {
    const failures: unknown[] = []
    for (let service = this.#started.pop(); service; service = this.#started.pop()) {
      try {
        await service.stop(deadlineMs)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** A promise with its handles outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (error: unknown) => void
}

export function deferred<T>(): Deferred<T> {
  return Promise.withResolvers<T>()
}
