import { app } from './app.ts'
import { add, add as plus } from './tasks.ts'
import * as tasks from './tasks.ts'

export async function run() {
  await add.delay(1, 2)
  await plus.applyAsync([1, 2], { countdown: 3 })
  add.s(1).pipe(tasks.add.si(1, 2))
  await app.sendTask('math.add', [1, 2])
  app.signature('math.add')
  await add?.delay(1, 2)
  const same = add
  same.delay(...[1, 2])
  await (await import('./tasks.ts')).add.delay(1, 2)
}
