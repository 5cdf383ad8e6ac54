import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Frame {
  /** The line as it was said, trimmed. */
  readonly text: string
  readonly file: string
  /** Starts at 1. */
  readonly line: number
  readonly column: number
}

export interface Traceback {
  /** Frames of the workspace's own files, in the traceback's order. */
  readonly own: readonly Frame[]
  /** How many others there are. */
  readonly libraries: number
}

/** Frames of a stack as V8 writes it (`at f (/a/b.ts:7:3)`) or as Python does (`File "/a/b.py", line 7, in f`). */
export function readTraceback(text: string, folders: readonly string[]): Traceback {
  const own: Frame[] = []
  let libraries = 0
  for (const line of text.split('\n', 500)) {
    const frame = readFrame(line)
    if (!frame) {
      if (/^\s+at /u.test(line)) libraries++
    } else if (isOwn(frame.file, folders)) own.push(frame)
    else libraries++
  }
  return { own, libraries }
}

function readFrame(line: string): Frame | undefined {
  const v8 = /^\s+at (?:.*? \()?((?:file:\/\/)?[^()]+?):(\d{1,9}):(\d{1,9})\)?$/u.exec(line)
  const python = v8 ? null : /^\s+File "([^"]+)", line (\d{1,9})/u.exec(line)
  const [, place, number, column] = v8 ?? python ?? []
  if (place === undefined || number === undefined) return undefined
  const file = pathOf(place)
  if (file === undefined) return undefined
  return { text: line.trim(), file, line: Number(number), column: Number(column ?? 1) }
}

function pathOf(place: string): string | undefined {
  try {
    const path = place.startsWith('file:') ? fileURLToPath(place) : place
    return isAbsolute(path) ? path : undefined
  } catch {
    return undefined
  }
}

function isOwn(file: string, folders: readonly string[]): boolean {
  if (/[\\/]node_modules[\\/]/u.test(file)) return false
  return folders.some((folder) => file.startsWith(folder) && /^[\\/]/u.test(file.slice(folder.length)))
}
