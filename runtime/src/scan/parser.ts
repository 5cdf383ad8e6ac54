import { createRequire } from 'node:module'
import { ScanError } from '../core/errors.ts'
import type { FileSummary } from './file-summary.ts'
import type { Typescript } from './scopes.ts'
import { summarise } from './summarise.ts'

/** Parses files; TypeScript is loaded with the first one, because a folder that did not change needs none. */
export class Parser {
  #ts: Typescript | undefined

  parse(path: string, text: string): FileSummary {
    return summarise(this.load(), path, text)
  }

  /** Throws ScanError where ts-morph is not installed. */
  load(): Typescript {
    this.#ts ??= loadTypescript()
    return this.#ts
  }
}

function loadTypescript(): Typescript {
  const load = createRequire(import.meta.url)
  try {
    const { ts } = load('ts-morph') as { ts: Typescript } // a module's shape is its package's word
    return ts
  } catch (cause) {
    throw new ScanError('The scanner needs ts-morph, which is not installed. Add it: npm install --save-dev ts-morph', {
      cause,
    })
  }
}
