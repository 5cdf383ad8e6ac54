export { add as plus } from './math.ts'
export * as math from './math.ts'
