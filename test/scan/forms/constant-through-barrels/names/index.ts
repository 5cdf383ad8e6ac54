export * from './mail.js'
export { default as FALLBACK } from './mail.js'
export * as mail from './mail.js'
