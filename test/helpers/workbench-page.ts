import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core'

const switches = [
  '--no-sandbox', // the tests may run as root, in a container
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing but this machine is reachable.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost',
]

/** Debian's Chromium without a window. It ends with the process that launched it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: inPath('chromium'),
    args: switches,
    // Signals are the test runner's to handle.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  })
}

/** What the workbench is told beside its address. Paths are absolute, of the server's machine. */
export interface Development {
  /** Folders of extensions to load from source. */
  readonly extensions: readonly string[]
  /** Module whose `run()` the extension host calls. */
  readonly tests: string
  readonly disableExtensions: boolean
}

/** A page of the workbench with a folder or a `.code-workspace` open, or with nothing. */
export async function openWorkbench(
  context: BrowserContext,
  url: string,
  workspace: string | undefined,
  development?: Development,
): Promise<Page> {
  const page = await context.newPage()
  if (development) await page.addInitScript(developmentScript(development))
  return goToWorkspace(page, url, workspace, development?.disableExtensions)
}

export async function goToWorkspace(
  page: Page,
  url: string,
  workspace: string | undefined,
  disableExtensions = false,
): Promise<Page> {
  const query = new URLSearchParams()
  if (workspace === undefined) query.set('ew', 'true')
  else query.set(workspace.endsWith('.code-workspace') ? 'workspace' : 'folder', workspace)
  if (disableExtensions) query.set('payload', JSON.stringify([['disableExtensions', 'true']]))
  await page.goto(`${url}/?${query.toString()}`)
  return page
}

/**
 * The workbench reads its configuration from an attribute of its page. The built one takes development options from there,
 * while the same in its address needs a flag that also hides toasts. A page fulfilled by the test would have no loopback
 * address, and Chromium would refuse its socket.
 */
function developmentScript({ extensions, tests }: Development): string {
  return `
    const asUri = (path) => ({ scheme: 'vscode-remote', authority: location.host, path })
    const getAttribute = Element.prototype.getAttribute
    Element.prototype.getAttribute = function (name) {
      const value = getAttribute.call(this, name)
      if (this.id !== 'vscode-workbench-web-configuration' || name !== 'data-settings' || !value) return value
      const developmentOptions = {
        extensions: ${JSON.stringify(extensions)}.map(asUri),
        extensionTestsPath: asUri(${JSON.stringify(tests)}),
      }
      return JSON.stringify({ ...JSON.parse(value), developmentOptions })
    }`
}

function inPath(program: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return join(folder, program)
    } catch {
      // The next folder may have it.
    }
  }
  throw new Error(`${program} is not in PATH.`)
}
