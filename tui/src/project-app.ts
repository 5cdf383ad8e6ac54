import { join } from 'node:path'
import { type Logger, Tq } from 'tq-runtime'
import { type Project, projectFolder } from 'tq-runtime/loader'

/** An app of our own on the project's broker. */
export function openProject({ settings, place, cwd }: Project, logger: Logger): Tq {
  const app = new Tq('tq-tui', { ...settings, logger })
  // Where `.tq/` belongs: beside the package.json nearest to this file.
  app.file = place?.file ?? join(projectFolder(cwd), 'package.json')
  return app
}
