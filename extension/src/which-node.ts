import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, realpath } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

export interface NodeSearch {
  /** The setting `tq.nodePath`; empty for none. */
  readonly nodePath: string
  /** The variable PATH. */
  readonly path: string | undefined
  /** The runtime of the editor itself. */
  readonly editor: { readonly execPath: string; readonly version: string }
  /** False: nothing but the editor's own runtime is started. */
  readonly trusted: boolean
}

/** The Node that runs the sidecar. */
export interface NodeChoice {
  readonly path: string
  readonly version: string
  readonly origin: 'setting' | 'path' | 'editor'
  /** Good enough to find tasks, too old to run them. */
  readonly scanOnly: boolean
  /** To be added to its environment. */
  readonly env: Readonly<Record<string, string>>
}

export interface NodeFound {
  readonly choice: NodeChoice | undefined
  /** What was looked at first and why it was not taken. */
  readonly refused: readonly RefusedNode[]
}

export interface RefusedNode {
  readonly path: string
  readonly origin: NodeChoice['origin']
  /** Undefined where it did not start. */
  readonly version: string | undefined
}

/**
 * The first of these that is 22.18 or newer: the setting, each `node` on PATH, the editor's own runtime. Where none is, the
 * editor's own may still scan. In a workspace that is not trusted only the editor's own is considered.
 */
export async function findNode(search: NodeSearch): Promise<NodeFound> {
  const refused: RefusedNode[] = []
  if (search.trusted) {
    for (const [path, origin] of await candidates(search)) {
      const version = await versionOf(path)
      if (version !== undefined && isAtLeast(version, [22, 18])) {
        return { choice: { path, version, origin, scanOnly: false, env: {} }, refused }
      }
      refused.push({ path, origin, version })
    }
  }
  const { execPath: path, version } = search.editor
  // 22.15: what the scanner's modules import from Node.
  if (!isAtLeast(version, [22, 15])) {
    return { choice: undefined, refused: [...refused, { path, origin: 'editor', version }] }
  }
  const scanOnly = !isAtLeast(version, [22, 18])
  // Electron starts as Node with it; a plain Node does not know it.
  return { choice: { path, version, origin: 'editor', scanOnly, env: { ELECTRON_RUN_AS_NODE: '1' } }, refused }
}

async function candidates(search: NodeSearch): Promise<readonly (readonly [string, NodeChoice['origin']])[]> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  // A relative entry means another folder in every process: the workspace's, perhaps.
  const folders = [...new Set((search.path ?? '').split(delimiter))].filter((one) => isAbsolute(one))
  const found: (readonly [string, NodeChoice['origin']])[] = []
  if (search.nodePath !== '') found.push([search.nodePath, 'setting'])
  const seen = new Set<string>()
  for (const folder of folders) {
    const path = join(folder, name)
    if (!(await isExecutable(path))) continue
    // Two names of one program, as with /bin and /usr/bin.
    const real = await realpath(path)
    if (!seen.has(real)) found.push([path, 'path'])
    seen.add(real)
  }
  return found
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

const patienceMs = 5000

function versionOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: '' }
    execFile(
      path,
      ['-p', 'process.versions.node'],
      { timeout: patienceMs, env, windowsHide: true },
      (error, stdout) => {
        const version = /^\d+\.\d+\.\d+/u.exec(stdout.trim())?.[0]
        resolve(error ? undefined : version)
      },
    )
  })
}

function isAtLeast(version: string, [wantedMajor, wantedMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/u, '').split('.').map(Number)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
