import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** A Node that runs user code. */
export interface ChosenNode {
  readonly execPath: string
  /** `v24.21.0` */
  readonly version: string
}

const names = process.platform === 'win32' ? ['node/bin/node.exe', '.bin/node.exe'] : ['.bin/node']

/** Chooses the Node that runs a project's code. Starts programs of the workspace to learn their version: of a trusted one only. */
export class NodeChooser {
  readonly #versions = new Map<string, Promise<string | undefined>>()

  /**
   * The first Node from 22.18 on among those that the project installed for itself, from its folder up to the workspace's, else the
   * one that runs this.
   */
  async choose(project: string, workspaceFolder: string): Promise<ChosenNode> {
    for (const folder of foldersUp(project, workspaceFolder)) {
      for (const name of names) {
        const execPath = join(folder, 'node_modules', name)
        const version = await this.#versionOf(execPath)
        if (version !== undefined && isNewEnough(version)) return { execPath, version }
      }
    }
    return { execPath: process.execPath, version: process.version }
  }

  #versionOf(execPath: string): Promise<string | undefined> {
    const stat = statSync(execPath, { throwIfNoEntry: false })
    if (!stat) return Promise.resolve(undefined)
    const key = `${execPath} ${stat.mtimeMs}`
    const version = this.#versions.get(key) ?? askVersion(execPath)
    this.#versions.set(key, version)
    return version
  }
}

/** Whether it strips types and has what tq needs. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 18)
}

function foldersUp(from: string, to: string): readonly string[] {
  const folders = [from]
  const isInside = (folder: string): boolean => !/^\.\.(?:[/\\]|$)/.test(relative(to, folder))
  for (let folder = dirname(from); isInside(folder) && folder !== dirname(folder); folder = dirname(folder)) {
    folders.push(folder)
  }
  return folders
}

function askVersion(execPath: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(execPath, ['--version'], { timeout: 3000 }, (error, stdout) => {
      const version = /^v\d+\.\d+\.\d+/.exec(stdout)?.[0]
      resolve(error ? undefined : version)
    })
  })
}
