import { systemClock, Tq } from 'tq-runtime'
import { silentLogger } from '../../../runtime/src/core/logger.ts'
import { EventDispatcher } from '../../../runtime/src/events/dispatcher.ts'
import { LamportClock } from '../../../runtime/src/events/lamport.ts'
import { serve } from '../role.ts'

// A worker as a monitor sees it: its events, without the tasks.

let app: Tq
let dispatcher: EventDispatcher
let playing: NodeJS.Timeout | undefined

serve({
  open: async (brokerUrl: string) => {
    app = new Tq('bench', { brokerUrl })
    const transport = await app.connections.transport()
    const deps = { transport, clock: systemClock, lamport: new LamportClock(), logger: silentLogger }
    dispatcher = new EventDispatcher({ ...deps, hostname: 'celery@bench', pid: process.pid, enabled: true })
  },
  /** From now on so many events a second: each task is received, started and has a result. */
  play: (perSecond: number) => {
    clearInterval(playing)
    const begin = performance.now()
    let sent = 0
    const step = (): void => {
      const due = ((performance.now() - begin) * perSecond) / 1000
      for (; sent < due; sent += 3) task()
    }
    playing = perSecond > 0 ? setInterval(step, 10) : undefined
  },
  close: async () => {
    clearInterval(playing)
    await dispatcher.close()
    await app.close()
  },
})

const names = ['math.add', 'mail.send', 'orders.sync_prices', 'reports.monthly', 'img.resize'] as const
let tasks = 0

function task(): void {
  const uuid = `019c0000-0000-7000-8000-${String(++tasks).padStart(12, '0')}`
  const name = names[tasks % names.length] ?? names[0]
  const args = `('customer-${tasks % 977}@example.com', ${tasks}, {'retry': True, 'source': 'import'})`
  dispatcher.emit({ type: 'task-received', uuid, name, args, kwargs: '{}', rootId: uuid, retries: 0 })
  dispatcher.emit({ type: 'task-started', uuid })
  if (tasks % 25 === 0) {
    const traceback = `Error: SMTP 421\n${'    at send (src/mail.ts:42:11)\n'.repeat(8)}`
    dispatcher.emit({ type: 'task-failed', uuid, exception: "Error('SMTP 421')", traceback })
  } else dispatcher.emit({ type: 'task-succeeded', uuid, result: `{'id': ${tasks}, 'ok': True}`, runtime: 0.0123 })
}
