import type { TqApp } from '../app/tq.ts'
import type { PartPlace, Workflow, WorkflowPart } from '../app/workflow.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'
import type { InspectFlags } from './remote-command.ts'

/** `tq inspect workflow <id>`: the parts of a canvas, where each is, and why it has not ended. */
export async function runWorkflow(args: readonly string[], flags: InspectFlags, output: Output): Promise<void> {
  const [id, ...more] = args
  if (id === undefined || more.length > 0) {
    throw new CommandEnd(exitCodes.usage, 'tq inspect workflow wants one id: of a task, a result or a group.')
  }
  const app = await openApp(flags)
  try {
    const workflow = await app.workflow(id, { timeoutMs: flags.timeout * 1000 })
    if (flags.json) output.data(toJson(workflow))
    else output.data(printable(workflowText(workflow, app)))
  } finally {
    await app.close()
  }
}

/** So many lines; of more parts those are left out that have ended well. */
const mostShown = 60

function workflowText(workflow: Workflow, app: TqApp): string {
  const { id, state, parts, ended, size, explanation, unseen, parentId, sentAtMs } = workflow
  const now = app.clock.now()
  const shown = parts.length <= mostShown ? parts : parts.filter(isTelling).slice(0, mostShown)
  const left = parts.length - shown.length
  const names = new Map(parts.map((part) => [part.id, part.task]))
  const sent = sentAtMs === undefined ? '' : `, sent ${ago(sentAtMs, now)}`
  const title = `Workflow ${id}: ${state}, ${ended} of ${size} ${size === 1 ? 'task' : 'tasks'} ended${sent}`
  return [
    title,
    ...(parentId === undefined ? [] : [`Sent by task ${parentId}.`]),
    '',
    table(shown.map((part) => rowOf(part, now, id, names))),
    ...(left > 0 ? [`… and ${left} more; --json has them all`] : []),
    ...(explanation.length > 0 ? ['', ...explanation] : []),
    ...(unseen.length > 0 ? ['', 'Not known:', ...unseen.map((text) => `  ${text}`)] : []),
  ].join('\n')
}

function isTelling({ kind, state }: WorkflowPart): boolean {
  return kind !== 'task' || state !== 'SUCCESS'
}

type Names = ReadonlyMap<string, string | undefined>

function rowOf(part: WorkflowPart, now: number, asked: string, names: Names): readonly string[] {
  const indent = '  '.repeat(part.depth)
  const role = part.role === 'body' ? 'then ' : part.role === 'callback' ? 'calls ' : ''
  const name = part.kind === 'task' ? (part.task ?? '?') : part.kind
  return [
    `${indent}${signOf(part)} ${role}${name}`,
    part.id + (part.id === asked ? ' <' : ''),
    stateText(part, names),
    part.kind === 'task' && part.sinceMs !== undefined ? ago(part.sinceMs, now) : '',
  ]
}

function signOf({ kind, state, place }: WorkflowPart): string {
  if (kind !== 'task') return '▸'
  if (state === 'SUCCESS') return '✓'
  if (state === 'FAILURE' || state === 'REVOKED') return '✗'
  switch (place.kind) {
    case 'running':
      return '▶'
    case 'missing':
    case 'quarantined':
      return '!'
    case 'blocked':
      return '·'
    default:
      return '…'
  }
}

function stateText(part: WorkflowPart, names: Names): string {
  const { place, state = '', error, counted, size } = part
  if (part.kind !== 'task') return counted === undefined ? '' : `${counted} of ${size ?? '?'} parts counted`
  return place.kind === 'ended'
    ? [state, error].filter((text) => text !== undefined).join(' ')
    : placeText(place, names)
}

function placeText(place: PartPlace, names: Names): string {
  switch (place.kind) {
    case 'queued':
      return `queued in '${place.queue}'${place.consumers === 0 ? ', which nobody consumes' : ''}`
    case 'held':
      return place.worker === undefined ? `held by a silent worker of '${place.queue}'` : `held by ${place.worker}`
    case 'parked':
      return place.untilMs === undefined ? 'parked' : `parked until ${new Date(place.untilMs).toISOString()}`
    case 'running':
      return `runs on ${place.worker}`
    case 'quarantined':
      return `quarantined: ${place.reason}`
    case 'blocked': {
      const [first = '', ...more] = place.by
      return more.length === 0 ? `waits for ${names.get(first) ?? first}` : `waits for ${more.length + 1} tasks`
    }
    case 'unknown':
      return 'not known'
    case 'missing':
      return 'MISSING'
    case 'ended':
    case 'inside':
      return ''
  }
}

function ago(ms: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000))
  if (seconds < 120) return `${seconds} s ago`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`
  return `${Math.round(seconds / 3600)} h ago`
}
