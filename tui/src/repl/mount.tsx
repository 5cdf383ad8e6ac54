import { type Instance, render, useApp, useStdout } from 'ink'
import { type ReactNode, useEffect } from 'react'
import { guardPastes } from '../ui/paste-guard.ts'
import type { ReplController } from './controller.ts'
import { ReplView } from './repl-view.tsx'

/** A terminal that a REPL can be shown on: the process's own, or a test's. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly colours: boolean
}

/** Lends the terminal to another program, or to the shell. */
export type Suspend = (work: () => Promise<void>) => Promise<void>

/** Puts the view on the terminal; `attach` is given what Ink has for components only. */
export function mount(terminal: Terminal, controller: ReplController, attach: AttachedProps['attach']): Instance {
  const { stdin, stdout, colours } = terminal
  return render(
    <Attached attach={attach}>
      <ReplView controller={controller} colours={colours} />
    </Attached>,
    // `interactive` is said by us: Ink would take any CI in the environment for a pipe.
    {
      stdin: guardPastes(stdin),
      stdout,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
      incrementalRendering: true,
      maxFps: 60,
    },
  )
}

interface AttachedProps {
  readonly attach: (write: (text: string) => void, suspend: Suspend) => void
  readonly children: ReactNode
}

/** Hands out what Ink gives to components only: writing above the frame, lending the terminal to another program. */
function Attached({ attach, children }: AttachedProps): ReactNode {
  const { write } = useStdout()
  const { suspendTerminal } = useApp()
  useEffect(() => attach(write, suspendTerminal), [attach, write, suspendTerminal])
  return children
}
