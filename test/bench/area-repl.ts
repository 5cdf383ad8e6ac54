import { fileURLToPath } from 'node:url'
import { EngineClient } from '../../tui/src/repl/engine-client.ts'
import type { Area, Figures, Scale } from './harness.ts'
import { percentile } from './harness.ts'
import { pause } from './role.ts'

export const replArea: Area = {
  name: 'repl',
  title: 'REPL',
  method: [
    'The engine process through its own client, from the source (Node strips the types of every module, which a build has',
    'done already). Without a screen: what Ink adds is not in it.',
  ],
  rows: [
    {
      label: 'start to prompt',
      figure: 'prompt',
      unit: 'ms',
      aim: '<= 300 ms',
      how: 'spawn of the engine until it takes input, no app.',
    },
    {
      label: 'start to prompt with an app',
      figure: 'promptApp',
      unit: 'ms',
      aim: '<= 300 ms',
      how: 'the shop example, its tasks imported.',
    },
    { label: 'first value', figure: 'first', unit: 'ms', how: 'spawn until 1 + 1 is answered, no app.' },
    {
      label: 'evaluation p50',
      figure: 'evalP50',
      unit: 'ms',
      aim: '<= 2 ms',
      how: '300 times `1 + n`, request to answer.',
    },
    { label: 'evaluation p99', figure: 'evalP99', unit: 'ms' },
    { label: 'interrupt of while (true);', figure: 'interrupt', unit: 'ms', aim: '<= 50 ms', how: 'median of 5.' },
  ],
  run: async (scale) => ({ ...(await bare()), ...(await withApp(scale)) }),
}

const quiet = { onOutput: () => undefined, onEvent: () => undefined, onEnd: () => undefined }
const screen = { width: 80, colours: false }

async function bare(): Promise<Figures> {
  const begin = performance.now()
  const engine = new EngineClient(quiet)
  try {
    await engine.start({ cwd: process.cwd(), loadApp: false, eager: false, worker: 'later' })
    const prompt = performance.now() - begin
    await engine.evaluate('1 + 1', screen).answer
    const first = performance.now() - begin
    const times: number[] = []
    for (let n = 0; n < 300; n++) {
      const asked = performance.now()
      await engine.evaluate(`1 + ${n}`, screen).answer
      times.push(performance.now() - asked)
    }
    const interrupts: number[] = []
    for (let n = 0; n < 5; n++) {
      const running = engine.evaluate('while (true);', screen)
      await pause(50) // long enough to be in the loop
      const asked = performance.now()
      running.interrupt()
      await running.answer
      interrupts.push(performance.now() - asked)
    }
    return {
      prompt,
      first,
      evalP50: percentile(times, 0.5),
      evalP99: percentile(times, 0.99),
      interrupt: percentile(interrupts, 0.5),
    }
  } finally {
    await engine.close()
  }
}

async function withApp(_scale: Scale): Promise<Figures> {
  const cwd = fileURLToPath(new URL('../examples/shop', import.meta.url))
  const begin = performance.now()
  const engine = new EngineClient(quiet)
  try {
    await engine.start({ cwd, loadApp: true, eager: true, worker: 'later' })
    return { promptApp: performance.now() - begin }
  } finally {
    await engine.close()
  }
}
