import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** The example project of the repository. Its own `.tq/` is a developer's: tests set TQ_DB or TQ_BROKER_URL. */
export const shopFolder = fileURLToPath(new URL('../examples/shop/', import.meta.url)).replace(/\/$/, '')

/** A user's project in a folder of its own, with `tq-runtime` in its node_modules. */
export interface Project {
  /** The real path of the project's folder. */
  readonly folder: string
  /** Absolute path of a file of the project. */
  path(file: string): string
  write(file: string, text: string): void
  /** Makes a module of this repository's node_modules available to the project. */
  install(name: string): void
}

/** Writes a project: text by file name. Without a package.json among the files, an ESM one is added. Gone when the test ends. */
export function makeProject(files: Readonly<Record<string, string>>): Project {
  const folder = temporaryFolder('tq-project-')
  const project: Project = {
    folder,
    path: (file) => join(folder, file),
    write: (file, text) => {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), text)
    },
    install: (name) => {
      const modules = join(folder, 'node_modules')
      mkdirSync(modules, { recursive: true })
      symlinkSync(fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)), join(modules, name))
    },
  }
  project.install('tq-runtime')
  const all = { 'package.json': '{ "name": "sample", "type": "module", "private": true }', ...files }
  for (const [file, text] of Object.entries(all)) project.write(file, text)
  return project
}

/** A folder for a test's files, removed when the test ends. */
export function temporaryFolder(prefix = 'tq-test-'): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), prefix)))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
