import { types } from 'node:util'

/** Deeper than this nothing is written: Python's own decoders give up at 1,000 levels. */
export const maxDepth = 900

/** Made by `{}` or without a prototype, in this realm or another (a vm context): its prototype is the end of the chain. */
export function isPlainObject(value: object): boolean {
  if (types.isMap(value) || types.isSet(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || isForeignObjectPrototype(prototype)
}

function isForeignObjectPrototype(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'hasOwnProperty')
  )
}

/** Why an object that is no plain data cannot be sent, and what to send instead. */
export function foreignReason(value: object): string {
  if (types.isMap(value)) return 'a Map cannot be sent; use Object.fromEntries(map).'
  if (types.isSet(value)) return 'a Set cannot be sent; use [...set].'
  if (types.isPromise(value)) return 'a Promise cannot be sent; await it first.'
  if (types.isNativeError(value)) return 'an Error cannot be sent; send its message.'
  const { constructor } = value
  const name = typeof constructor === 'function' && constructor.name ? constructor.name : 'a class'
  return `it is an instance of ${name}; send a plain object, or give the class a toJSON method.`
}

export const symbolReason = 'symbols cannot be sent.'
export const functionReason = 'functions cannot be sent; call the function, or send its name.'
export const cycleReason = 'it contains itself.'
export const depthReason = `it is nested more than ${maxDepth} levels deep.`

const minDateMs = Date.parse('0001-01-01T00:00:00Z')
const maxDateMs = Date.parse('9999-12-31T23:59:59.999Z')

/** Why a Date cannot be sent; undefined where it can. */
export function dateRefusal(date: Date): string | undefined {
  const time = date.getTime()
  if (Number.isNaN(time)) return 'it is an invalid Date.'
  if (time < minDateMs || time > maxDateMs) return 'its year is not one of 1 to 9999, which Python cannot hold.'
  return undefined
}

/** The path one step further in: `.name`, `["odd name"]`. */
export function memberPath(path: string, key: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`
}
