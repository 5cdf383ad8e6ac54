import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { findProject, type ProjectOptions, projectFolder } from 'tq-runtime/loader'
import { configFolder, keymapFile, readKeymap } from './keymap-file.ts'
import { openProject } from './project-app.ts'

/** `tq-tui info`: where everything is, as a bug report and a person who looks for a file need it. Never rejects for a broken project. */
export async function infoText(options: ProjectOptions): Promise<string> {
  const config = configFolder(process.env, homedir())
  const keymap = keymapFile(config)
  const { problems } = readKeymap(keymap)
  const rows: (readonly [string, string])[] = [
    ['node', `${process.version} ${process.platform}-${process.arch}`],
    ['config folder', config],
    ['keymap', `${keymap}${existsSync(keymap) ? '' : '  (not there: tq-tui info --keymap prints one to begin with)'}`],
    ...problems.map((problem) => ['', problem] as const),
    ['editor', process.env['VISUAL'] ?? process.env['EDITOR'] ?? 'vi'],
    ['pager', process.env['PAGER'] ?? 'less -R'],
  ]
  try {
    const project = await findProject(options)
    const folder = projectFolder(project.place === undefined ? project.cwd : dirname(project.place.file))
    const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore }
    const app = openProject(project, quiet)
    rows.push(
      ['project', folder],
      ['app', project.place?.file ?? project.problem ?? 'none'],
      ['broker', app.brokerName()],
      ...(app.connections.embedded ? [['database', app.connections.embeddedPath()] as const] : []),
      ['REPL history', join(folder, '.tq', 'repl-history')],
    )
    await app.close()
  } catch (error) {
    rows.push(['project', error instanceof Error ? error.message : String(error)])
  }
  const width = Math.max(...rows.map(([title]) => title.length))
  return `${rows.map(([title, text]) => `${title.padEnd(width)}  ${text}`).join('\n')}\n`
}

function ignore(): void {}
