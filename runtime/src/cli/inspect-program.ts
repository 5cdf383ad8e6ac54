import { type Command, InvalidArgumentError, Option } from 'commander'
import { names, seconds } from './flag-values.ts'
import type { Output } from './output.ts'
import type { ControlFlags, InspectFlags } from './remote-command.ts'

/** How the program makes a command with the flags that all have, and reads those of one. */
export interface ProgramParts {
  readonly command: (usage: string, description: string) => Command
  readonly all: <F>(flags: F, self: Command) => F
  readonly output: Output
}

/** `tq inspect` asks, `tq control` tells. */
export function addInspectCommands({ command, all, output }: ProgramParts): void {
  command('inspect [query] [args...]', 'Ask the workers, or where the parts of a workflow are.')
    .option('-t, --timeout <s>', 'how long to wait for each answer', seconds, 1)
    .option('-d, --destination <names>', 'ask only these', names)
    .option('-l, --list', 'what can be asked')
    .addHelpText(
      'after',
      `
Queries:
  active, reserved, scheduled    tasks that run, wait in a worker, wait for their time
  registered, stats, conf        what workers know, count and are set to
  activeQueues, revoked, clock, report
  queryTask <id...>              which worker has these tasks
  workflow <id>                  the parts of a canvas: which are missing, where each is, and why it has not ended`,
    )
    .action(async (query: string | undefined, args: string[], flags: InspectFlags, self: Command) => {
      const given = all(flags, self)
      if (query === 'workflow') {
        const { runWorkflow } = await import('./workflow-command.ts')
        return runWorkflow(args, given, output)
      }
      const { runInspect } = await import('./remote-command.ts')
      await runInspect(query, args, given, output)
    })

  command('control [command] [args...]', 'Tell the workers what to do.')
    .option('-t, --timeout <s>', 'how long to wait for each answer', seconds, 1)
    .option('-d, --destination <names>', 'tell only these', names)
    .option('-l, --list', 'what can be told')
    .option('--terminate', 'revoke: also end what runs')
    .addOption(new Option('--signal <name>', 'with --terminate: the signal').argParser(signal))
    .addHelpText(
      'after',
      `
Commands:
  revoke <id...>                       do not run these tasks
  revokeByStampedHeaders <name=value>  do not run the tasks that have one of these stamps
  rateLimit <task> <rate>              10/s, 10/m, 10/h, 0 for none
  timeLimit <task> <soft> [hard]       seconds
  poolGrow [n], poolShrink [n], autoscale <max> <min>
  addConsumer <queue>, cancelConsumer <queue>
  enableEvents, disableEvents, heartbeat, shutdown`,
    )
    .action(async (name: string | undefined, args: string[], flags: ControlFlags, self: Command) => {
      const { runControl } = await import('./remote-command.ts')
      await runControl(name, args, all(flags, self), output)
    })
}

function signal(text: string): NodeJS.Signals {
  const name = text.toUpperCase().replace(/^(?:SIG)?/, 'SIG')
  switch (name) {
    case 'SIGTERM':
    case 'SIGINT':
    case 'SIGKILL':
    case 'SIGQUIT':
    case 'SIGUSR1':
      return name
    default:
      throw new InvalidArgumentError('expected TERM, INT, KILL, QUIT or USR1')
  }
}
