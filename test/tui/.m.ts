setInterval(() => {}, 1000)
import { spawn } from '@lydell/node-pty'
import { Emulator } from './helpers/emulator.ts'
for (let i = 0; i < 4; i++) {
  const e = new Emulator(100, 30)
  const t = performance.now()
  const { CI, ...env } = process.env
  const p = spawn(process.execPath, ['/tmp/tuix/bin/tq-tui.js', '--no-app', '--no-history'], {
    cols: 100,
    rows: 30,
    cwd: process.cwd(),
    env: env as any,
  })
  let a = 0,
    b = 0
  await new Promise<void>((r) =>
    p.onData(async (d) => {
      await e.write(d)
      if (!a && e.text() !== '') {
        a = performance.now() - t
      }
      if (!b && e.text().includes('ts>')) {
        b = performance.now() - t
        r()
      }
    }),
  )
  const t2 = performance.now()
  p.write('1 + 1\r')
  await new Promise<void>((r) =>
    p.onData(async (d) => {
      await e.write(d)
      if (/^2$/m.test(e.text())) r()
    }),
  )
  console.log('first frame', a | 0, 'ready prompt', b | 0, 'first result', (performance.now() - t2) | 0)
  p.write('while(true);\r')
  await new Promise((r) => setTimeout(r, 300))
  const t3 = performance.now()
  p.write('\x03')
  await new Promise<void>((r) =>
    p.onData(async (d) => {
      await e.write(d)
      if (/interrupted/m.test(e.text())) r()
    }),
  )
  console.log('interrupt', (performance.now() - t3) | 0)
  p.kill('SIGKILL')
}
process.exit()
