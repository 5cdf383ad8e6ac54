import { closest, distance } from 'fastest-levenshtein'
import { DuplicateTaskError, NotRegistered } from '../core/errors.ts'
import { siteText } from './call-site.ts'
import type { AnyTask } from './task.ts'

/** The tasks of one app by name. */
export class Registry {
  readonly #tasks = new Map<string, AnyTask>()
  readonly #builtIn = new Map<string, AnyTask>()

  /** Adds a task that is always there: it is found by its name, and not listed among the app's own. */
  addBuiltIn(task: AnyTask): void {
    this.#builtIn.set(task.taskName, task)
  }

  /**
   * Throws DuplicateTaskError when the name is taken, unless by the same function of the same file: then a module was loaded
   * twice (watch mode, ESM and CommonJS) and the newer definition replaces the older.
   */
  register(task: AnyTask): void {
    const name = task.taskName
    const known = this.#tasks.get(name)
    if (known && known !== task && !sameDefinition(known, task)) {
      throw new DuplicateTaskError(name, siteText(known.definition.site), siteText(task.definition.site))
    }
    this.#tasks.set(name, task)
  }

  get(name: string): AnyTask | undefined {
    return this.#tasks.get(name) ?? this.#builtIn.get(name)
  }

  /** Throws NotRegistered. */
  require(name: string): AnyTask {
    const task = this.get(name)
    if (!task) throw new NotRegistered(name)
    return task
  }

  /** Sorted, without the built-in tasks. */
  names(): readonly string[] {
    return [...this.#tasks.keys()].sort()
  }

  /** The registered name nearest to a mistyped one. */
  nearest(name: string): string | undefined {
    const names = this.names()
    if (names.length === 0) return undefined
    const near = closest(name, names)
    return distance(name, near) <= Math.max(2, name.length / 3) ? near : undefined
  }
}

function sameDefinition(a: AnyTask, b: AnyTask): boolean {
  const [one, other] = [a.definition, b.definition]
  return one.site?.file === other.site?.file && one.fn.toString() === other.fn.toString()
}
