import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import { onTestFailed } from 'vitest'
import { spawnProcess } from './process.ts'
import { waitFor } from './wait.ts'
import { packagedExtension } from './workbench-extension.ts'
import { goToWorkspace, launchBrowser } from './workbench-page.ts'
import { type WorkbenchServer, startWorkbenchServer } from './workbench-server.ts'

/** Where pictures are kept: not in git, removed at the start of `npm test`. */
export const artifactsFolder = fileURLToPath(new URL('../artifacts', import.meta.url))

/** How long a person waits for the window to answer; everything else on the machine included. */
const patienceMs = 30_000

export interface WorkbenchOptions {
  readonly settings?: Readonly<Record<string, unknown>> | undefined
  /** False: folders are untrusted until the user trusts them. */
  readonly trusted?: boolean | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** A window of the workbench with the packaged extension in it, and hands to use it. Texts are as a person reads them. */
export interface Workbench {
  readonly page: Page
  /** Opens a folder in the window, whatever was open before. */
  open(folder: string): Promise<void>
  /** Opens a file of the folder by its name, as Ctrl-P does. */
  openFile(name: string): Promise<void>
  /** Runs a command by its title from the command palette. */
  command(title: string): Promise<void>
  /** Opens the side bar of an icon of the activity bar. */
  openContainer(title: string): Promise<void>
  /** The rows of a view that are in sight, label and description. */
  rows(view: string): Promise<string[]>
  row(view: string, text: string | RegExp): Locator
  /** What the editor shows above a line: `Run`, `Debug`. The line is the first that contains the text. */
  lensesAbove(line: string): Promise<string[]>
  clickLens(line: string, title: string): Promise<void>
  /** A line of the editor as it is seen: its text, and what decorations put behind it. */
  lineText(line: string): Promise<string>
  readonly prompt: Prompt
  toasts(): Promise<string[]>
  /** The rows of the Problems panel, which it opens. */
  problems(): Promise<string[]>
  statusBar(): Promise<string[]>
  /** All that the window shows now, decorations included. */
  visibleText(): Promise<string>
  /** All logs and output channels that the server has written. */
  readonly logsFolder: string
  /** Keeps a picture of the window in the artefacts. */
  screenshot(name: string): Promise<void>
  stop(): Promise<void>
}

/** The input at the top of the window. */
export interface Prompt {
  /** Title, message and placeholder of the input that is open. */
  read(): Promise<string>
  value(): Promise<string>
  /** Types in place of what is there. */
  type(text: string): Promise<void>
  accept(): Promise<void>
  /** Types and accepts, once the question is there that the pattern matches. */
  answer(question: RegExp, text: string): Promise<void>
}

/** Starts a workbench with a window of 1400x1000. It must be stopped in afterAll. */
export async function startWorkbench(options: WorkbenchOptions = {}): Promise<Workbench> {
  const { extensionsFolder } = await packagedExtension()
  const server = await startWorkbenchServer({
    start: (command, args, env) => spawnProcess(command, args, { env, mayLeaveChildren: true }),
    ...options,
  })
  cpSync(extensionsFolder, server.extensionsFolder, { recursive: true })
  let browser: Browser | undefined
  try {
    browser = await launchBrowser()
    const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } })
    page.setDefaultTimeout(patienceMs)
    return workbench(server, browser, page)
  } catch (error) {
    await browser?.close()
    await server.stop()
    throw error
  }
}

/** Keeps a picture when the test that runs now fails. */
export function pictureOnFailure(bench: () => Workbench | undefined): void {
  onTestFailed(async ({ task }) => {
    await bench()?.screenshot(`failed-${task.name.replaceAll(/\W+/g, '-')}`)
  })
}

function workbench(server: WorkbenchServer, browser: Browser, page: Page): Workbench {
  const self: Workbench = {
    page,
    logsFolder: join(server.userDataFolder, 'logs'),
    open: async (folder) => {
      await goToWorkspace(page, server.url, folder)
      await page.locator('.explorer-viewlet [role=treeitem]').first().waitFor()
    },
    openFile: async (name) => {
      await page.keyboard.press('Escape')
      await page.keyboard.press('Control+P')
      await type(page, name)
      await page.locator('.quick-input-list .monaco-list-row', { hasText: name }).first().click()
      await page.locator('.tab.active', { hasText: name }).waitFor()
      await page.locator('.editor-instance .view-line').first().waitFor()
    },
    command: async (title) => {
      await page.keyboard.press('F1')
      await type(page, `>${title}`)
      await page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click()
    },
    openContainer: async (title) => {
      const icon = page.locator(`.activitybar .action-item:has(.action-label[aria-label^="${title}"])`)
      await icon.waitFor()
      if (!(await icon.getAttribute('class'))?.includes('checked')) await icon.click()
    },
    rows: async (view) => {
      const rows = await pane(page, view).locator('.monaco-list-row').all()
      return Promise.all(
        rows.map(async (row) =>
          oneLine((await row.locator('.label-name, .label-description').allInnerTexts()).join(' ')),
        ),
      )
    },
    row: (view, text) => pane(page, view).locator('.monaco-list-row', { hasText: text }).first(),
    lensesAbove: async (line) => {
      const found = await lensLine(page, line)
      return found ? (await found.locator('a').allInnerTexts()).map(oneLine) : []
    },
    clickLens: async (line, title) => {
      const lens = await waitFor(async () => (await lensLine(page, line))?.locator('a', { hasText: title }).first(), {
        what: `the lens ${title} above ${line}`,
        timeoutMs: patienceMs,
      })
      await lens.click()
    },
    lineText: async (line) => oneLine(await page.evaluate<string>(readDecorated(JSON.stringify(line)))),
    prompt: prompt(page),
    toasts: () => page.locator('.notifications-toasts .notification-list-item-message').allInnerTexts(),
    problems: async () => {
      const panel = page.locator('.markers-panel')
      if (!(await panel.isVisible())) await self.command('Problems: Focus on Problems View')
      await panel.waitFor()
      return (await panel.locator('.monaco-list-row').allInnerTexts()).map(oneLine)
    },
    statusBar: async () => (await page.locator('.statusbar-item').allInnerTexts()).map(oneLine).filter(Boolean),
    visibleText: () => page.evaluate<string>(readDecorated('undefined')),
    screenshot: async (name) => {
      mkdirSync(artifactsFolder, { recursive: true })
      await page.screenshot({ path: join(artifactsFolder, `${name}.png`) })
    },
    stop: async () => {
      await browser.close()
      await server.stop()
    },
  }
  return self
}

function prompt(page: Page): Prompt {
  const widget = page.locator('.quick-input-widget')
  const input = widget.locator('.quick-input-box input')
  const self: Prompt = {
    read: async () => {
      await input.waitFor()
      const placeholder = (await input.getAttribute('placeholder')) ?? ''
      return oneLine(`${await widget.innerText()} ${placeholder}`)
    },
    value: () => input.inputValue(),
    type: async (text) => {
      await input.waitFor()
      await input.fill(text)
    },
    accept: () => page.keyboard.press('Enter'),
    answer: async (question, text) => {
      await waitFor(async () => question.test(await self.read()), {
        what: `the question ${String(question)}`,
        timeoutMs: patienceMs,
      })
      await self.type(text)
      await self.accept()
    },
  }
  return self
}

async function type(page: Page, text: string): Promise<void> {
  const input = page.locator('.quick-input-widget .quick-input-box input')
  await input.waitFor()
  await input.fill(text)
}

function pane(page: Page, view: string): Locator {
  return page.locator(`.pane:has(> .pane-header[aria-label^="${view}"])`)
}

/** Lenses float above their line: theirs is the lowest place above the line's top. */
async function lensLine(page: Page, line: string): Promise<Locator | undefined> {
  const box = await page
    .locator('.editor-instance .view-line', { hasText: spaced(line) })
    .first()
    .boundingBox()
  if (!box) return undefined
  for (const lens of await page.locator('.editor-instance .codelens-decoration').all()) {
    const place = await lens.boundingBox()
    if (place && Math.abs(place.y + place.height - box.y) < box.height / 2) return lens
  }
  return undefined
}

/** The editor draws spaces that do not break. */
function spaced(text: string): RegExp {
  const parts = text.split(' ').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(parts.join('[ \\u00a0]'))
}

/** The text of the first line with `text` in it, or of the whole window, with what style sheets put before and behind. */
function readDecorated(text: string): string {
  return `(() => {
    const wanted = ${text}
    const drawn = (element, side) => {
      const { content } = getComputedStyle(element, side)
      if (!content.startsWith('"')) return ''
      // As style sheets write text: a backslash before a character, or before its number in hexadecimal.
      const unescape = (all, code, one) => one ?? String.fromCodePoint(parseInt(code, 16))
      return content.slice(1, -1).replace(/\\\\(?:([0-9a-f]{1,6}) ?|(.))/gi, unescape)
    }
    const read = (node) => {
      if (node.nodeType === Node.TEXT_NODE) return node.data
      if (node.nodeType !== Node.ELEMENT_NODE || ['STYLE', 'SCRIPT'].includes(node.tagName)) return ''
      return drawn(node, '::before') + [...node.childNodes].map(read).join('') + drawn(node, '::after')
    }
    if (wanted === undefined) return read(document.body)
    const lines = [...document.querySelectorAll('.editor-instance .view-line')]
    const line = lines.find((one) => one.textContent.replaceAll('\\u00a0', ' ').includes(wanted))
    return line ? read(line) : ''
  })()`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
