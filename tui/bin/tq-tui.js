#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`tq-tui needs Node 22.18 or newer; this is ${process.version}.\n`)
  process.exit(1)
}
process.env.NODE_ENV ??= 'production'
enableCompileCache?.()
const { main } = await import('../dist/main.js')
await main(process.argv.slice(2))
