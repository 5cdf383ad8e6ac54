import { createInterface } from 'node:readline'
import { type LoadOptions, loadApp } from '../../runtime/src/run/loader.ts'

/**
 * Loads project after project in a Node of its own, where nothing but Node and tq imports them: `LoadOptions` as a line of JSON in,
 * what was loaded or the error as a line out.
 */
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await load(JSON.parse(line) as LoadOptions)
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

async function load(options: LoadOptions): Promise<unknown> {
  try {
    const { app, file, projectFolder, taskFiles, exports, failures } = await loadApp(options)
    const [main, tasks] = [app.main, app.registry.names()]
    return {
      main,
      file,
      projectFolder,
      tasks,
      taskFiles,
      exports: Object.keys(exports),
      failures,
      db: app.connections.embeddedPath(),
    }
  } catch (error) {
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  }
}
