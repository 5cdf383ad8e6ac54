import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { shop } from './shop.ts'

test('tq live prints the address of its page with a token that opens it, and ends when told to', async () => {
  const { spawn } = shop()
  const program = spawn(['live', '--port', '0'])
  const line = await program.waitForLine(/^http:/)
  const [, url = '', token = ''] = /^(http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{32})$/.exec(line) ?? []

  const page = await fetch(url)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`, { headers: { authorization: `Bearer ${token}` } })
  const first = await new Promise((resolve) => socket.once('message', (data: Buffer) => resolve(String(data))))
  program.kill('SIGINT')
  const closed = await new Promise((resolve) => socket.once('close', resolve))

  expect(page.status).toBe(200)
  expect(first).toMatch(/"type":"ready","app":"shop"/)
  expect(closed).toBe(1001)
  expect((await program.exit).code).toBe(0)
})

test('the token of TQ_LIVE_TOKEN is not printed', async () => {
  const token = 'a-secret-of-the-environment'
  const { spawn } = shop({ TQ_LIVE_TOKEN: token })
  const program = spawn(['live', '--port', '0', '--json'])
  await program.waitForLine(/^\{/)

  program.kill('SIGTERM')
  await program.exit

  expect(JSON.parse(program.stdout)).toEqual({
    url: expect.any(String),
    port: expect.any(Number),
    page: expect.any(String),
  })
  expect(program.stdout + program.stderr).not.toContain(token)
})

test('a token that is too short is refused', async () => {
  const { tq } = shop({ TQ_LIVE_TOKEN: 'short' })

  const { code, stderr } = await tq(['live', '--port', '0'])

  expect(code).toBe(1)
  expect(stderr).toMatch(/at least 16 characters/)
})
