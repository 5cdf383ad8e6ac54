import { loadApp } from './loader.ts'
import { wantedSettings } from './project-settings.ts'

/** Loads the user's app and tells the parent where its broker is. */
async function tell(app: string | undefined): Promise<void> {
  const loaded = await loadApp({ app })
  const { settings } = loaded.app
  const wanted = Object.fromEntries(wantedSettings.map((name) => [name, settings[name]]))
  process.send?.(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)))
}

await tell(process.argv[2])
