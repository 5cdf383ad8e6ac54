import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { type RunningProcess, describeOutput } from './running-process.ts'
import { waitFor } from './wait.ts'
import { installedWorkbench } from './workbench-install.ts'

export interface WorkbenchServerOptions {
  /** Starts a program and keeps track of it: `spawnProcess` in a test. */
  readonly start: (command: string, args: readonly string[], env: Readonly<Record<string, string>>) => RunningProcess
  /** User settings, over those that keep the window quiet. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined
  /** False: every folder is opened untrusted until the user trusts it. True when left out: there is no trust to ask for. */
  readonly trusted?: boolean | undefined
  /** Of the server, and so of the extension host. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Where installed extensions are; an empty folder of the server's own when left out. */
  readonly extensionsFolder?: string | undefined
}

export interface WorkbenchServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Settings, logs and state; gone when it stops. */
  readonly userDataFolder: string
  /** Read at the start of a window. */
  readonly extensionsFolder: string
  readonly process: RunningProcess
  /** Ends the server and all that it started, and removes its folders. Idempotent. */
  stop(): Promise<void>
}

const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.editor.useModal': 'off',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'remote.autoForwardPorts': false,
  'git.enabled': false,
  // A window in a browser would save by itself after a second.
  'files.autoSave': 'off',
  // It lies over the ends of the lines.
  'editor.minimap.enabled': false,
  'security.workspace.trust.startupPrompt': 'never',
}

/** Starts a private workbench on a free port; resolves when it answers. */
export async function startWorkbenchServer(options: WorkbenchServerOptions): Promise<WorkbenchServer> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'tq-wb-')))
  const userDataFolder = join(home, 'user-data')
  const extensionsFolder = options.extensionsFolder ?? join(home, 'extensions')
  mkdirSync(join(userDataFolder, 'User'), { recursive: true })
  mkdirSync(extensionsFolder, { recursive: true })
  mkdirSync(join(home, 'run'), { mode: 0o700 })
  writeFileSync(
    join(userDataFolder, 'User/settings.json'),
    JSON.stringify({ ...quietSettings, ...options.settings }, null, 2),
  )
  try {
    const { url, process } = await listening(home, userDataFolder, extensionsFolder, options)
    return {
      url,
      userDataFolder,
      extensionsFolder,
      process,
      stop: async () => {
        await process.stop()
        rmSync(home, { recursive: true, force: true, maxRetries: 5 })
      },
    }
  } catch (error) {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    throw error
  }
}

const attempts = 3

async function listening(
  home: string,
  userDataFolder: string,
  extensionsFolder: string,
  { start, trusted = true, env = {} }: WorkbenchServerOptions,
): Promise<{ readonly url: string; readonly process: RunningProcess }> {
  const program = installedWorkbench()
  if (!program) throw new Error('The workbench is not installed:  node test/helpers/workbench-install.ts')
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const args = [
      program.entry,
      ...['--config', join(home, 'config.yaml'), '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
      ...['--user-data-dir', userDataFolder, '--extensions-dir', extensionsFolder],
      ...['--session-socket', join(home, 'session.sock'), '--idle-timeout-seconds', '90'],
      ...['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'],
      ...(trusted ? ['--disable-workspace-trust'] : []),
    ]
    const process = start(program.node, args, {
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_DATA_HOME: join(home, 'data'),
      // Its sockets, which it never removes.
      XDG_RUNTIME_DIR: join(home, 'run'),
      // A port where nobody listens: no look-up leaves this machine.
      EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: 'http://127.0.0.1:9', itemUrl: 'http://127.0.0.1:9' }),
      ...env,
    })
    const url = `http://127.0.0.1:${port}`
    const ended = process.exit.then(() => 'ended' as const)
    const answers = waitFor(async () => (await fetch(`${url}/healthz`)).ok && ('answers' as const), {
      what: 'the workbench server',
      timeoutMs: 30_000,
    })
    const outcome = await Promise.race([ended, answers.catch(() => 'silent' as const)])
    if (outcome === 'answers') return { url, process }
    await process.stop(0)
    // On a busy machine its own start can end with "timed out".
    if (attempt === attempts) throw new Error(`The workbench server did not start.${describeOutput(process)}`)
  }
}
