import { createRequire } from 'node:module'

/** A package that is loaded with its first use, without awaiting: what is not used costs nothing at start. Throws what `require` throws. */
export function loadPackage(name: string): unknown {
  return createRequire(import.meta.url)(name)
}

/** Gives a package, or undefined where it is not installed. */
export type LoadPackage = (name: string) => unknown

/** The package, or undefined where it is not installed. */
export function loadOptional(name: string): unknown {
  try {
    return loadPackage(name)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}
