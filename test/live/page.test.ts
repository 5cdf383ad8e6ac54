import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { serveLive } from '../../runtime/src/live.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { launchBrowser } from '../helpers/workbench-page.ts'
import { token } from './live-client.ts'

describe.skipIf(!requireService('workbench'))('the page in a browser', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await launchBrowser()
  }, 120_000)

  afterAll(() => browser?.close())

  async function page(): Promise<{ readonly page: Page; readonly faults: string[] }> {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    const opened = await context.newPage()
    const faults: string[] = []
    opened.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
    opened.on('pageerror', (error) => faults.push(error.message))
    return { page: opened, faults }
  }

  function newApp(): Tq {
    const app = new Tq('shop', { brokerUrl: `sqlite://${join(temporaryFolder(), 'tq.db')}`, logger: silentLogger })
    onTestFinished(() => app.close())
    return app
  }

  test('shows tasks as they end, and the whole result of one that is watched', async () => {
    const app = newApp()
    const shout = app.task('shout', (text: string) => ({ loud: `${text}!` }))
    const server = await serveLive(app, { port: 0, token })
    await app.startWorker({ hostname: 'w1@shop' })
    const { page: window, faults } = await page()
    await window.goto(`${server.url}/#token=${encodeURIComponent(token)}`)
    await waitFor(async () => (await window.textContent('#workers')) === 'workers: w1@shop', { what: 'the worker' })

    const { id } = await shout.delay('<img src=x onerror=alert(1)>')
    const row = window.locator(`tr[data-id="${id}"][data-state=SUCCESS]`)
    await row.waitFor()
    await row.click()
    const card = window.locator(`pre[data-id="${id}"][data-state=SUCCESS]`)
    await card.waitFor()

    expect(await row.locator('td').allTextContents()).toEqual([
      'shout',
      expect.stringContaining('<img src=x onerror=alert(1)>'),
      'SUCCESS',
      expect.stringContaining('loud'),
      expect.stringMatching(/^\d+\.\d{3}$/),
      'w1@shop',
    ])
    expect(await card.textContent()).toContain('"loud": "<img src=x onerror=alert(1)>!"')
    expect(window.url()).toBe(`${server.url}/`) // the token is out of the address
    expect(await window.locator('img').count()).toBe(0)
    await window.click('#watched button')
    expect(await window.locator('#watched pre').count()).toBe(0)
    expect(faults).toEqual([])
  })

  test('asks for a token, says when it is refused, and takes the right one', async () => {
    const server = await serveLive(newApp(), { port: 0, token })
    const { page: window } = await page()
    await window.goto(server.url)

    await window.fill('#token', 'not this one')
    await window.click('#login button')
    await waitFor(async () => (await window.textContent('#state')) === 'token refused', { what: 'the refusal' })
    await window.fill('#token', token)
    await window.click('#login button')

    await window.locator('#main').waitFor({ state: 'visible' })
    expect(await window.textContent('#state')).toBe('live: shop')
    await window.reload()
    await window.locator('#main').waitFor({ state: 'visible' })
  })

  test('connects again when the server comes back, and goes on watching', async () => {
    const app = newApp()
    const first = await serveLive(app, { port: 0, token })
    const { page: window } = await page()
    await window.goto(`${first.url}/#token=${encodeURIComponent(token)}`)
    await window.fill('#id', 'some-task')
    await window.click('#watch button')
    await first.close()
    await waitFor(async () => (await window.textContent('#state'))?.startsWith('connection lost'), { what: 'the loss' })

    await serveLive(app, { port: first.port, token })
    const backend = await app.connections.backend()
    await backend.store([{ id: 'some-task', state: 'SUCCESS', result: 42 }], { ttlMs: 0 })

    const card = window.locator('pre[data-state=SUCCESS]')
    await card.waitFor()
    expect(await card.textContent()).toBe('some-task  SUCCESS\n42')
  })

  test('a page of another site cannot connect', async () => {
    const server = await serveLive(newApp(), { port: 0, token })
    const elsewhere = createServer((_, response) => response.end('<title>elsewhere</title>'))
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      elsewhere.closeAllConnections()
      elsewhere.close()
    })
    const address = elsewhere.address()
    const { page: window } = await page()
    await window.goto(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`)

    const code = await window.evaluate(
      `new Promise((resolve) => {
        const socket = new WebSocket('${server.url.replace('http', 'ws')}/live')
        socket.onopen = () => resolve('open')
        socket.onclose = (event) => resolve(event.code)
      })`,
    )

    expect(code).toBe(1006)
    expect(server.connections).toBe(0)
  })
})
