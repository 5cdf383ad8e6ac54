import type { SignatureData } from '../core/signature.ts'
import { argsRepr, kwargsRepr } from '../wire/python-text.ts'
import { redactedReprs } from './redacted.ts'
import type { TqApp } from './tq.ts'

/**
 * A canvas in one line, as Celery prints it: `t.add(2, 2) | group(t.add(1), t.add(2)) | t.sum()`. Arguments that a task redacts
 * are hidden. Source: celery/canvas.py, reprcall, __repr__ of each kind.
 */
export function signatureText(app: TqApp, signature: SignatureData): string {
  const { kind, parts = [], body, options } = signature
  const all = (members: readonly SignatureData[]): readonly string[] => members.map((one) => signatureText(app, one))
  switch (kind) {
    case 'task':
      return [callText(app, signature), ...all(options.chain ?? [])].join(' | ')
    case 'chain':
      return all(parts).join(' | ')
    case 'group':
      return `group(${all(parts).join(', ')})`
    case 'chord':
      return [`group(${all(parts).join(', ')})`, ...(body ? all([body]) : [])].join(' | ')
  }
}

function callText(app: TqApp, { task, args, kwargs }: SignatureData): string {
  const shown = redactedReprs(app, { task, args, kwargs }, app.registry.get(task)?.definition.options ?? {})
  const positional = (shown?.argsRepr ?? argsRepr(args)).slice(1, -1).replace(/,$/, '')
  const keywords = (shown?.kwargsRepr ?? kwargsRepr(kwargs)).slice(1, -1).replaceAll(/'(\w+)': /g, '$1=')
  return `${task}(${[positional, keywords].filter((text) => text !== '').join(', ')})`
}
