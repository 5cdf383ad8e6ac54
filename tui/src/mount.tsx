import { type Instance, render, useApp, useStdout } from 'ink'
import { type ReactNode, useEffect } from 'react'
import { guardPastes } from './ui/paste-guard.ts'
import { ConsoleView, type ConsoleViewProps } from './views/console-view.tsx'

export interface Terminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
}

/** What Ink has for components only: raw writes, and lending the terminal to another program. */
export interface Attached {
  readonly write: (data: string) => void
  readonly suspend: (work: () => Promise<void>) => Promise<void>
}

export interface MountOptions extends ConsoleViewProps {
  readonly attach: (attached: Attached) => void
  /** Told what each frame took, ms. */
  readonly onFrame?: ((ms: number) => void) | undefined
  /** Default 60: the delay of a key, not the rate of data. */
  readonly maxFps?: number | undefined
}

/** Puts the console on the alternate screen of the terminal. */
export function mount({ stdin, stdout }: Terminal, options: MountOptions): Instance {
  const { attach, onFrame, maxFps = 60, ...view } = options
  return render(
    <Attach attach={attach}>
      <ConsoleView {...view} />
    </Attach>,
    // `interactive` is said by us: Ink would take any CI in the environment for a pipe.
    {
      stdin: guardPastes(stdin),
      stdout,
      interactive: true,
      alternateScreen: true,
      exitOnCtrlC: false,
      patchConsole: false,
      incrementalRendering: true,
      maxFps,
      onRender: ({ renderTime }) => onFrame?.(renderTime),
    },
  )
}

function Attach({
  attach,
  children,
}: {
  readonly attach: MountOptions['attach']
  readonly children: ReactNode
}): ReactNode {
  const { write } = useStdout()
  const { suspendTerminal } = useApp()
  useEffect(() => attach({ write, suspend: suspendTerminal }), [attach, write, suspendTerminal])
  return children
}
