/** Starts a bin from its source: `node --conditions=@tq/source launch.ts tq worker …`. What `bin/*.js` do with `dist`. */
const entries: Readonly<Record<string, string>> = {
  tq: '../../runtime/src/cli/main.ts',
  'tq-tui': '../../tui/src/main.tsx',
}

const [bin = '', ...args] = process.argv.slice(2)
const entry = entries[bin]
if (entry === undefined) throw new Error(`expected a bin (${Object.keys(entries).join(', ')}), got '${bin}'`)
process.argv = [process.execPath, bin, ...args]
process.env['NODE_ENV'] ??= 'production'
delete process.env['TSX_TSCONFIG_PATH'] // meant for this process alone

const { main } = (await import(entry)) as { main: (argv: readonly string[]) => Promise<void> }
await main(args)
