/** The URL with its password replaced, for texts that people and logs see. What cannot be parsed keeps only its scheme. */
export function maskUrl(url: string): string {
  return url
    .split(';')
    .map((one) => {
      const scheme = /^[a-z+]+:/i.exec(one)?.[0]
      if (!/:\/\/[^/]*@/.test(one)) return one.replace(/([?&](?:password|token|secret)=)[^&]*/gi, '$1***')
      try {
        const parsed = new URL(one)
        if (parsed.password) parsed.password = '***'
        return parsed.href.replace(/([?&](?:password|token|secret)=)[^&]*/gi, '$1***')
      } catch {
        return `${scheme ?? ''}//***`
      }
    })
    .join(';')
}
