import type { CommandLog } from './command-log.ts'
import type { DevMessage } from './dev.ts'
import { clean } from './ui/text.ts'

/** For a console under `tq-tui dev`: what the parent tells is a line of the command log, and without the parent there is nothing to show. */
export function hearParent(note: CommandLog['note']): void {
  process.on('message', ({ note: { command, answer, ...kind } }: DevMessage) =>
    note(clean(command), clean(answer), kind),
  )
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.send?.({ ready: true })
}
