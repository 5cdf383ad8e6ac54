import { type Command, Option } from 'commander'
import type { LogLevel } from '../core/logger.ts'
import type { AutoscaleRange } from '../worker/autoscale.ts'
import { count, levels, names, range, seconds } from './flag-values.ts'
import type { AppLineFlags } from './main.ts'

/** Flags of `tq worker`, under Celery's names. */
export interface WorkerFlags extends AppLineFlags {
  readonly hostname: string
  readonly concurrency?: number
  readonly pool?: 'async' | 'threads' | 'prefork' | 'solo'
  readonly autoscale?: AutoscaleRange
  readonly maxTasksPerChild?: number
  readonly maxMemoryPerChild?: number
  readonly timeLimit?: number
  readonly softTimeLimit?: number
  readonly queues?: readonly string[]
  readonly excludeQueues?: readonly string[]
  readonly purge?: boolean
  readonly discard?: boolean
  readonly taskEvents?: boolean
  readonly events?: boolean
  readonly prefetchMultiplier?: number
  readonly disablePrefetch?: boolean
  readonly heartbeatInterval?: number
  readonly withoutHeartbeat?: boolean
  readonly withoutMingle?: boolean
  readonly statedb?: string
  readonly loglevel: LogLevel
  readonly logfile?: string
  /** False with `--no-color`. */
  readonly color: boolean
  readonly pidfile?: string
  readonly watch?: boolean
  readonly detach?: boolean
  readonly uid?: string
  readonly gid?: string
  readonly umask?: string
  readonly executable?: string
  readonly workdir?: string
  readonly ephemeral?: boolean
  readonly idle?: number
  /** Which process started this one, for what it must not do once more. */
  readonly startedBy?: 'detach' | 'watch' | 'check'
}

/** Declares them. Those of `celery worker` that change nothing here are taken, too, so that its command lines can stay. */
export function withWorkerFlags(worker: Command): Command {
  return worker
    .option('-n, --hostname <name>', 'node name; %h host, %n its first part, %d its domain', 'celery@%h')
    .option('-c, --concurrency <n>', 'tasks at once', count)
    .addOption(new Option('-P, --pool <pool>', 'how tasks run').choices(['async', 'threads', 'prefork', 'solo']))
    .option('--autoscale <max,min>', 'grow and shrink the pool with the demand', range)
    .option('--max-tasks-per-child <n>', 'replace a process or thread of the pool after so many tasks', count)
    .option('--max-memory-per-child <kib>', 'replace a process that holds more after a task', count)
    .option('--time-limit <s>', 'kill a run after this', seconds)
    .option('--soft-time-limit <s>', 'abort its signal after this', seconds)
    .option('-Q, --queues <names>', 'queues to consume, with commas between', names)
    .option('-X, --exclude-queues <names>', 'queues not to consume, with commas between', names)
    .option('--purge', 'delete what waits in these queues before it starts')
    .option('--prefetch-multiplier <n>', 'messages held per slot; 0 is no limit', count)
    .option('--disable-prefetch', 'hold only what there is a free slot for')
    .option('-E, --task-events', 'send task events')
    .option('--heartbeat-interval <s>', 'between heartbeats', seconds)
    .option('--without-heartbeat', 'send no heartbeats: monitors do not see this worker')
    .option('--without-mingle', 'do not ask the other workers for revoked tasks at the start')
    .option('-S, --statedb <file>', 'where revoked tasks outlive the worker; %n %h … as in --logfile')
    .addOption(levels('info'))
    .option(
      '-f, --logfile <file>',
      'log there instead of to stderr; %p node name, %n its first part, %h host, %i child',
    )
    .option('--no-color', 'no colours, on terminals neither')
    .option('--pidfile <file>', 'its pid, so that no second one starts; %n %h … as in --logfile')
    .option('--watch', 'start anew when a file of the project changes; what runs ends first')
    .option('-D, --detach', 'run in the background')
    .option('--workdir <folder>', 'where to run')
    .option('--uid <user>', 'run as this user')
    .option('--gid <group>', 'run as this group')
    .option('--umask <octal>', 'permissions that its files do not get')
    .option('--executable <file>', 'with --detach: the Node to run it')
    .option('--ephemeral', 'end 60 s after the last task, or with the parent process')
    .option('--idle <s>', 'with --ephemeral: end so long after the last task; 0 is never', seconds)
    .addOption(new Option('--discard', 'as --purge').hideHelp())
    .addOption(new Option('--events', 'as --task-events').hideHelp())
    .addOption(
      new Option('-O <profile>', 'a child gets a task when it is free: always fair')
        .choices(['default', 'fair'])
        .hideHelp(),
    )
    .addOption(new Option('--without-gossip', 'workers here do not listen to each other').hideHelp())
    .addOption(new Option('--started-by <who>').choices(['detach', 'watch', 'check']).hideHelp())
    .addHelpText(
      'after',
      `
Signals: TERM and the first INT finish what runs; QUIT and the second INT give it back; one more ends at once.
HUP restarts (in a terminal it ends), USR1 writes to the log what runs.
Exit codes: 0 it was told to end, 1 it could not start or lost its broker, 2 wrong flags, 73 the pid file belongs to
another worker, 128 + n the signal n ended it at once.

Examples:
  tq worker -c 10 -l warn                        ten tasks at once, log warnings
  tq worker -n mail@%h -Q mail,bulk -P prefork   processes for two queues
  tq worker -D --pidfile %n.pid -f %n%I.log      in the background`,
    )
}
