/**
 * `node run-tests.ts <options as JSON>`: the tests of a bundle in an extension host, through `@vscode/test-electron`. A program of
 * its own, so that all it starts is in one process group.
 */
import { runTests } from '@vscode/test-electron'

const options = JSON.parse(process.argv[2] ?? '') as Parameters<typeof runTests>[0] // written by host-tests.ts
process.exitCode = await runTests(options).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  return 1
})
