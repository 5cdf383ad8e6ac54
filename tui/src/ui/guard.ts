/**
 * Leaves by `leave` on every way out that a process can see: signals and what nobody caught. Undone by the function it returns.
 * Ctrl-C while the terminal is lent is for the program that has it. SIGKILL is seen by nobody: only a parent can put the
 * terminal right then (`tq-tui dev` has one); else the command `reset` does.
 */
export function guard(
  leave: (code: number, message?: string) => void,
  isLent: () => boolean = () => false,
): () => void {
  const signals = { SIGTERM: 143, SIGHUP: 129, SIGINT: 130, SIGQUIT: 131 } as const
  const undo: (() => void)[] = []
  for (const [signal, code] of Object.entries(signals)) {
    const isFromKeys = signal === 'SIGINT' || signal === 'SIGQUIT'
    const handler = (): void => {
      if (!isFromKeys || !isLent()) leave(code)
    }
    process.on(signal, handler)
    undo.push(() => process.off(signal, handler))
  }
  const crash = (error: unknown): void =>
    leave(1, error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.on('uncaughtException', crash).on('unhandledRejection', crash)
  undo.push(() => process.off('uncaughtException', crash).off('unhandledRejection', crash))
  return () => {
    for (const step of undo) step()
  }
}

/** Stops this job as the terminal's Ctrl-Z would; resolves when it goes on. */
export function stopJob(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGCONT', () => {
      // The kernel tells only the foreground of a new window size: we tell ourselves.
      process.kill(process.pid, 'SIGWINCH')
      setTimeout(resolve, 50)
    })
    process.kill(0, 'SIGTSTP')
  })
}
