import { Worker } from 'node:worker_threads'
import { loadApp } from './loader.ts'
import { wantedSettings } from './project-settings.ts'

// The parent ends it sooner; this is for a parent that is gone while user code hangs, where no event is heard any more.
new Worker(`setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20_000)`, { eval: true }).unref()
process.on('disconnect', () => process.exit(1))

/** Loads the user's app and tells the parent where its broker is. */
async function tell(app: string | undefined): Promise<void> {
  const loaded = await loadApp({ app })
  const { settings } = loaded.app
  const wanted = Object.fromEntries(wantedSettings.map((name) => [name, settings[name]]))
  process.send?.(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)))
}

await tell(process.argv[2])
