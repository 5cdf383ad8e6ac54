import { StringDecoder } from 'node:string_decoder'

/** What has no end of its line is given on after so many characters: a bar of dots must not grow for ever. */
const longestLine = 65_536

/** Takes one line that the process wrote, without its end. */
export type OnLine = (line: string, stream: 'stdout' | 'stderr') => void

/**
 * From now on what this process writes to its standard streams (`console.log` in a task, a library's warnings) is given to `onLine`, line
 * by line. What `onLine` itself writes there passes through. Returns what undoes it.
 * Source: celery/app/log.py, redirect_stdouts_to_logger; celery/utils/log.py, LoggingProxy (recursion guard).
 */
export function redirectOutput(onLine: OnLine): () => void {
  const undo = [redirect('stdout', onLine), redirect('stderr', onLine)]
  return () => {
    for (const one of undo) one()
  }
}

function redirect(name: 'stdout' | 'stderr', onLine: OnLine): () => void {
  const stream = process[name]
  const before = Object.getOwnPropertyDescriptor(stream, 'write')
  const original = stream.write.bind(stream)
  const decoder = new StringDecoder('utf8') // a character may come in two pieces
  let begun = ''
  let isInside = false
  const tell = (line: string): void => {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text !== '') onLine(text, name)
  }
  const take = (text: string): void => {
    const [first = '', ...more] = text.split('\n')
    const lines = [begun + first, ...more]
    begun = lines.pop() ?? ''
    for (const line of lines) tell(line)
    if (begun.length <= longestLine) return
    tell(begun)
    begun = ''
  }
  const write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    if (isInside) return Reflect.apply(original, undefined, [chunk, ...rest]) === true
    isInside = true
    try {
      const [encoding] = rest
      const isBytes = typeof chunk === 'string' && typeof encoding === 'string' && Buffer.isEncoding(encoding)
      take(decoder.write(isBytes ? Buffer.from(chunk, encoding) : chunk))
    } finally {
      isInside = false
    }
    const done = rest.find((one) => typeof one === 'function')
    if (done) queueMicrotask(() => void Reflect.apply(done, undefined, []))
    return true
  }
  stream.write = write
  return () => {
    if (before) Object.defineProperty(stream, 'write', before)
    else Reflect.deleteProperty(stream, 'write')
    tell(begun + decoder.end())
  }
}
