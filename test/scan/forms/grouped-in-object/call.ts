import { mail } from './tasks.ts'

export const run = async () => {
  await mail.send.delay('a')
  await mail.inner.drop.applyAsync(['b'], { countdown: 1 })
}
