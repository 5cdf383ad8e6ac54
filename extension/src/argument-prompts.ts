import type { TaskInfo } from 'tq-runtime/scan'
import { Disposable, type InputBox, type QuickInput, QuickInputButtons, type QuickPick, window } from 'vscode'
import { type Answers, type Choice, readAnswers, type Step, stepsOf } from './argument-steps.ts'
import type { Messages } from './messages.ts'

/** Asks for the arguments of a task one after the other; undefined when the person leaves. `last` is what was typed before. */
export async function askArguments(
  task: TaskInfo,
  last: readonly string[],
  messages: Messages,
): Promise<Answers | undefined> {
  const steps = stepsOf(task, messages)
  const texts: string[] = []
  let index = 0
  while (index < steps.length) {
    const step = steps[index]
    if (!step) break
    const numbers = { step: index + 1, totalSteps: steps.length }
    const ask = step.choices ? askChoice : askText
    const answer = await ask(task, step, texts[index] ?? last[index] ?? '', numbers)
    if (answer === undefined) return undefined
    if (answer === back) index--
    else texts[index++] = answer.text
  }
  return readAnswers(task, texts, messages)
}

interface Numbers {
  readonly step: number
  readonly totalSteps: number
}

const back = 'back'
type Answer = { readonly text: string } | typeof back | undefined

function askText(task: TaskInfo, step: Step, last: string, numbers: Numbers): Promise<Answer> {
  const box: InputBox = window.createInputBox()
  box.prompt = step.prompt
  box.placeholder = step.placeholder
  box.value = last
  box.valueSelection = [0, last.length]
  const check = (): boolean => {
    const read = step.read(box.value)
    box.validationMessage = 'problem' in read ? read.problem : ''
    return 'values' in read
  }
  return answered(task, box, numbers, (give) => [
    box.onDidChangeValue(() => check()),
    box.onDidAccept(() => {
      if (check()) give({ text: box.value })
    }),
    box.onDidTriggerButton((button) => {
      if (button === QuickInputButtons.Back) give(back)
    }),
  ])
}

function askChoice(task: TaskInfo, step: Step, last: string, numbers: Numbers): Promise<Answer> {
  const list: QuickPick<Choice> = window.createQuickPick<Choice>()
  const items = step.choices ?? []
  list.placeholder = step.prompt
  list.items = items
  list.activeItems = items.filter((one) => one.text === last).slice(0, 1)
  return answered(task, list, numbers, (give) => [
    list.onDidAccept(() => {
      const [chosen] = list.activeItems
      if (chosen) give({ text: chosen.text })
    }),
    list.onDidTriggerButton((button) => {
      if (button === QuickInputButtons.Back) give(back)
    }),
  ])
}

function answered(
  task: TaskInfo,
  input: (InputBox | QuickPick<Choice>) & QuickInput,
  { step, totalSteps }: Numbers,
  listen: (give: (answer: Answer) => void) => Disposable[],
): Promise<Answer> {
  input.title = task.name ?? task.signature
  input.step = step
  input.totalSteps = totalSteps
  // A look at the code is no answer.
  input.ignoreFocusOut = true
  if (step > 1) input.buttons = [QuickInputButtons.Back]
  return new Promise((resolve) => {
    const parts: Disposable[] = []
    const give = (answer: Answer): void => {
      resolve(answer)
      Disposable.from(...parts, input).dispose()
    }
    parts.push(
      ...listen(give),
      input.onDidHide(() => give(undefined)),
    )
    input.show()
  })
}
