import { randomBytes } from 'node:crypto'
import { serveLive } from '../live.ts'
import { untilInterrupted } from './call-command.ts'
import type { AppLineFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, toJson } from './output.ts'

export interface LiveFlags extends AppLineFlags {
  readonly port: number
  readonly host: string
  readonly origins?: readonly string[]
}

/**
 * `tq live`: results in the browser as they come, until interrupted. The token is `TQ_LIVE_TOKEN`, or a new one that stands in the
 * printed address: behind the #, which browsers keep to themselves.
 */
export async function runLive(flags: LiveFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const given = process.env.TQ_LIVE_TOKEN
    const token = given ?? randomBytes(24).toString('base64url')
    const { port, host, origins } = flags
    const live = await serveLive(app, { port, host, origins, token })
    const page = given === undefined ? `${live.url}/#token=${token}` : `${live.url}/`
    output.data(flags.json ? toJson({ url: live.url, port: live.port, page }) : page)
    output.note(
      given === undefined
        ? `Results of ${app.brokerName()}, live. Whoever has this address sees all of them; set TQ_LIVE_TOKEN for one that stays. Ctrl-C ends.`
        : `Results of ${app.brokerName()}, live, for whoever knows TQ_LIVE_TOKEN. Ctrl-C ends.`,
    )
    await untilInterrupted()
  } finally {
    await app.close()
  }
}
