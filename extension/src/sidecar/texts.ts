import { cleanBlock, cleanText, maskUrl } from 'tq-runtime/monitor'

export const longestLine = 200
export const longestDetail = 20_000

/** Makes foreign texts fit to be shown: no control characters, no passwords, no more than is asked for. */
export class Texts {
  readonly #secrets = new Set<string>()

  /** From now on the password of this URL is masked wherever it turns up. */
  learn(url: string | undefined): void {
    if (url === undefined || maskUrl(url) === url) return
    for (const one of url.split(/;(?=[a-z][a-z+]*:\/\/)/i)) {
      const written = /^[a-z][a-z+]*:\/\/[^:/?#]*:(.*)@/i.exec(one)?.[1]
      const asked = [...one.matchAll(/[?&](?:password|token|secret)=([^&]*)/gi)].map(([, value]) => value)
      for (const secret of [written, ...asked]) {
        if (secret === undefined) continue
        // A short one would blank half of every text; as part of a URL it is masked all the same.
        for (const form of [secret, decoded(secret)]) if (form.length >= 4) this.#secrets.add(form)
      }
    }
  }

  /** On one line. */
  line(text: string, limit = longestLine): string {
    // No character takes more than ten when it is escaped, and what is cut away need not be cleaned.
    return cutAt(cleanText(this.mask(text.length > limit * 2 ? `${text.slice(0, limit * 2)}…` : text)), limit)
  }

  /** Line breaks stay. */
  block(text: string, limit = longestDetail): string {
    return cutAt(cleanBlock(this.mask(text.length > limit * 2 ? `${text.slice(0, limit * 2)}…` : text)), limit)
  }

  mask(text: string): string {
    let masked = text
    for (const secret of this.#secrets) if (masked.includes(secret)) masked = masked.replaceAll(secret, '***')
    return masked.includes('://') ? masked.replaceAll(credentials, hidePassword) : masked
  }

  /** Its message, and those of its causes where they say more. */
  error(error: unknown, limit = longestLine): string {
    return this.line(messageOf(error), limit)
  }
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

/** At most `limit` characters, the last one an ellipsis when something is missing; never half a character. */
export function cutAt(text: string, limit: number): string {
  if (text.length <= limit) return text
  const end = limit - 1
  const half = /[\uD800-\uDBFF]/.test(text.charAt(end - 1)) ? 1 : 0
  return `${text.slice(0, end - half)}…`
}

const credentials = /\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@'"]{0,200}):([^\s@'"]{1,500})@/gi

/** `https://host:8080/@me` has none. */
function hidePassword(found: string, before: string, password: string): string {
  return /^https?:/i.test(before) && /^\d+\//.test(password) ? found : `${before}:***@`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
