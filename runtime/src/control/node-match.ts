import type { ControlRequest } from '../wire/control-dict.ts'

/**
 * Whether a request is meant for this node: it is named, or there are no names and it matches, or nothing restricts it.
 * A pattern that is no valid expression matches nobody. Source: kombu/pidbox.py, Node.handle_message; kombu/matcher.py.
 */
export function isAddressed(request: ControlRequest, hostname: string): boolean {
  if (request.destination && request.destination.length > 0) return request.destination.includes(hostname)
  if (!request.pattern || !request.matcher) return true
  try {
    const source = request.matcher === 'glob' ? globSource(request.pattern) : request.pattern
    return new RegExp(`^(?:${source})${request.matcher === 'glob' ? '$' : ''}`, 's').test(hostname)
  } catch {
    return false
  }
}

// Python's fnmatch: `*`, `?`, `[seq]`, `[!seq]`; a `[` that is never closed stands for itself.
function globSource(pattern: string): string {
  let source = ''
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i)
    if (char === '*') source += '.*'
    else if (char === '?') source += '.'
    else if (char === '[') {
      // A `]` right behind the opening belongs to the set.
      const from = pattern[i + 1] === '!' ? i + 2 : i + 1
      const end = pattern.indexOf(']', from + 1)
      if (end < 0) source += '\\['
      else {
        const set = pattern.slice(from, end).replace(/[\\\]^]/g, '\\$&')
        source += `[${from === i + 2 ? '^' : ''}${set}]`
        i = end
      }
    } else source += char.replace(/[$()*+./?[\\\]^{|}-]/, '\\$&')
  }
  return source
}
