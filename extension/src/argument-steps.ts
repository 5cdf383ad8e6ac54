import type { Parameter, TaskInfo } from 'tq-runtime/scan'
import { readArgument, readRest } from './argument.ts'
import type { Messages } from './messages.ts'
import { allowsUndefined, choicesOf, type ParameterType, readType } from './parameter-type.ts'
import type { ArgumentValue } from './sidecar/protocol.ts'
import { oneLine } from './text.ts'

/** What was typed for each parameter, and what it means. */
export interface Answers {
  readonly texts: readonly string[]
  readonly args: readonly ArgumentValue[]
}

/** One question of several. */
export interface Step {
  readonly prompt: string
  readonly placeholder: string
  readonly choices: readonly Choice[] | undefined
  /** Values, none for what is left out, or the problem. */
  read(text: string): { readonly values: readonly ArgumentValue[] } | { readonly problem: string }
}

/** One of few answers: what is shown, and the text that means it. */
export interface Choice {
  readonly label: string
  readonly text: string
}

/** The arguments that these texts mean; undefined when one is none. */
export function readAnswers(task: TaskInfo, texts: readonly string[], messages: Messages): Answers | undefined {
  const steps = stepsOf(task, messages)
  const args: ArgumentValue[] = []
  for (const [index, step] of steps.entries()) {
    const read = step.read(texts[index] ?? '')
    if ('problem' in read) return undefined
    args.push(...read.values)
  }
  while (args.at(-1)?.kind === 'undefined') args.pop()
  return { texts: steps.map((_, index) => texts[index] ?? ''), args }
}

/** One question for each parameter; one for all where they are unknown. */
export function stepsOf(task: TaskInfo, messages: Messages): readonly Step[] {
  return task.opaque ? [allArguments(messages)] : task.parameters.map((one) => stepOf(one, messages))
}

function allArguments(messages: Messages): Step {
  return {
    prompt: messages.allArgumentsHint,
    placeholder: '[]',
    choices: undefined,
    read: (text) => readRest(text.trim() === '' ? '[]' : text, { kind: 'array', of: { kind: 'json' } }, messages),
  }
}

function stepOf(parameter: Parameter, messages: Messages): Step {
  const type = readType(parameter.type)
  const { rest, doc } = parameter
  const isOptional = parameter.optional === true || parameter.default !== undefined || allowsUndefined(parameter.type)
  const sign = rest ? '...' : ''
  const written = `${sign}${parameter.name}${isOptional && !rest ? '?' : ''}: ${oneLine(parameter.type ?? 'unknown', 120)}`
  return {
    prompt: doc === undefined ? written : `${written}  ${oneLine(doc, 120)}`,
    placeholder: placeholderOf(parameter, type, isOptional, messages),
    choices: rest ? undefined : choiceItems(type, isOptional, messages),
    read: (text) => {
      if (rest) return readRest(text, type, messages)
      if (isOptional && text.trim() === '') return { values: [{ kind: 'undefined' }] }
      const read = readArgument(text, type, messages, Date.now())
      return 'value' in read ? { values: [read.value] } : read
    },
  }
}

function placeholderOf(parameter: Parameter, type: ParameterType, isOptional: boolean, messages: Messages): string {
  if (parameter.rest) return messages.restHint
  const hint = hintOf(type, messages)
  if (!isOptional) return hint
  const leave =
    parameter.default === undefined ? messages.leaveOutHint : messages.defaultHint(oneLine(parameter.default, 60))
  return `${hint}; ${leave}`
}

function hintOf(type: ParameterType, { hints }: Messages): string {
  switch (type.kind) {
    case 'number':
    case 'string':
    case 'date':
    case 'bigint':
      return hints[type.kind]
    case 'array':
      return hints.list(type.of.kind === 'number' ? '[1, 2]' : type.of.kind === 'string' ? "['a', 'b']" : '[…]')
    default:
      return hints.json
  }
}

function choiceItems(type: ParameterType, isOptional: boolean, messages: Messages): readonly Choice[] | undefined {
  const choices = choicesOf(type)?.map((one): Choice => {
    const text = typeof one === 'string' ? `'${one}'` : String(one)
    return { label: String(one), text }
  })
  if (!choices) return undefined
  return isOptional ? [{ label: messages.leaveOut, text: '' }, ...choices] : choices
}
