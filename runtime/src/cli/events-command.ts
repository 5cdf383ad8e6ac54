import type { WorkerEvent } from '../events/event.ts'
import { subscribeEvents } from '../events/receiver.ts'
import { isoTime } from '../wire/python-text.ts'
import { untilInterrupted } from './call-command.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, toJson } from './output.ts'

/** `tq events --dump`: every event as a line (with `--json` as JSON), until interrupted. Asks the workers to send theirs. */
export async function runEvents(flags: AppLineFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const transport = await app.connections.transport()
    const enabled = new Set<string>()
    const listening = await subscribeEvents(transport, (events) => {
      for (const event of events) {
        output.data(flags.json ? toJson(event) : line(event))
        if (!event.type.startsWith('worker-') || enabled.has(event.hostname)) continue
        enabled.add(event.hostname)
        void app.control.enableEvents({ destination: [event.hostname] }).catch(() => enabled.delete(event.hostname))
      }
    })
    await app.control.enableEvents()
    output.note(`Listening for events on ${app.brokerName()}; Ctrl-C ends.`)
    await untilInterrupted()
    await listening.close()
  } finally {
    await app.close()
  }
}

function line(event: WorkerEvent): string {
  const { type, hostname, timestampMs, pid, clock, utcoffset: _, ...rest } = event
  const name = type === 'custom' ? event.name : type
  const fields = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : toJson(value)}`)
  return printable(`${isoTime(timestampMs)} ${hostname} ${name} ${fields.join(' ')} [pid ${pid}, clock ${clock}]`)
}
