import { statSync } from 'node:fs'
import { join } from 'node:path'
import { runHostTests } from '../extension/host/host-tests.ts'
import { packagedExtension } from '../helpers/workbench-extension.ts'
import { inFolder } from './area-sqlite.ts'
import type { Area, Figures } from './harness.ts'
import { percentile } from './harness.ts'
import { generateWorkspace } from './workspace-generator.ts'

export const extensionArea: Area = {
  name: 'extension',
  title: 'VS Code extension',
  method: [
    'The packaged extension, measured inside a real extension host: that of the tests’ own workbench, or of the VS Code that',
    'VSCODE_EXECUTABLE_PATH names. A generated workspace of 1,000 files, 500 of them with tasks, which does not activate it.',
  ],
  rows: [
    { label: 'VSIX', figure: 'vsix', unit: 'MB', aim: '<= 5 MB' },
    { label: 'entry bundle', figure: 'entry', unit: 'MB', aim: '<= 0.3 MB', how: 'what the extension host loads.' },
    {
      label: 'activate()',
      figure: 'activate',
      unit: 'ms',
      aim: '<= 50 ms',
      how: 'extension.activate() of another extension: the bundle is loaded and activate() run.',
    },
    { label: '  its CPU', figure: 'activateCpu', unit: 'ms', how: 'of the whole host process meanwhile.' },
    {
      label: 'extension host CPU, first 5 s',
      figure: 'hostCpu',
      unit: 'ms',
      aim: '<= 200 ms',
      how: 'the whole host process from the call on, the scan of 4,500 tasks taken in.',
    },
    {
      label: 'CodeLens: p50',
      figure: 'lensP50',
      unit: 'ms',
      aim: '<= 100 ms',
      how: '30 times vscode.executeCodeLensProvider after the scan, request to answer, a file of 10 tasks.',
    },
    { label: '  highest', figure: 'lensMax', unit: 'ms' },
  ],
  run: () => inFolder(measureExtension),
}

async function measureExtension(parent: string): Promise<Figures> {
  const { vsix, folder } = await packagedExtension()
  const workspace = generateWorkspace(join(parent, 'workspace'), { seed: 1, files: 1000 })
  const run = await runHostTests({
    files: ['speed.host.ts'],
    extension: folder,
    workspace: workspace.folder,
    env: { SPEED_FILE: workspace.taskFile },
  })
  const failed = run.tests.find(({ state }) => state !== 'passed')
  if (failed) throw new Error(`${failed.title}: ${failed.error ?? failed.state}\n${run.output.slice(-2000)}`)
  const noted = (name: string): number[] =>
    run.notes.flatMap((text) => (text.startsWith(`${name} `) ? [Number(text.slice(name.length))] : []))
  const times = noted('lenses')
  return {
    vsix: statSync(vsix).size / 1e6,
    entry: statSync(join(folder, 'dist/extension.cjs')).size / 1e6,
    activate: noted('activate')[0] ?? NaN,
    activateCpu: noted('activateCpu')[0] ?? NaN,
    hostCpu: noted('hostCpu')[0] ?? NaN,
    lensP50: percentile(times, 0.5),
    lensMax: Math.max(...times),
  }
}
