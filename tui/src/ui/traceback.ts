import { type Clean, clean, cleanLines, own } from './text.ts'

const frame = /^\s*at /u
const library = /\(?node:|[\\/]node_modules[\\/]|[\\/]tq-runtime[\\/]/u

/**
 * Lines of a traceback with the user's frames in front: their paths are shortened by the project's folder, and runs of frames of Node,
 * of tq and of other packages become one line. A traceback of another machine has no frame in the folder: then only those that
 * can be told by their path are folded. Python's tracebacks stay as they are.
 */
export function foldedTraceback(text: string, folder: string | undefined, ellipsis: string): readonly Clean[] {
  const lines = text.split(/\r\n|\n/u)
  const isOurs = (line: string): boolean => folder !== undefined && line.includes(`${folder}/`) && !library.test(line)
  const knowsOurs = lines.some((line) => frame.test(line) && isOurs(line))
  const shown: Clean[] = []
  let folded = 0
  const flush = (): void => {
    if (folded > 0)
      shown.push(own`    ${clean(ellipsis)} ${folded} ${clean(folded === 1 ? 'frame' : 'frames')} of libraries`)
    folded = 0
  }
  for (const line of lines) {
    if (frame.test(line) && (knowsOurs ? !isOurs(line) : library.test(line))) {
      folded++
      continue
    }
    flush()
    const short = folder === undefined ? line : line.replaceAll(`file://${folder}/`, '').replaceAll(`${folder}/`, '')
    shown.push(...cleanLines(short))
  }
  flush()
  return shown
}
