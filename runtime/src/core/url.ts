/**
 * The URL with its password and the secrets of its query replaced, for texts that people and logs see; each URL of a `;` list for
 * itself. Where it cannot be told what the password is (`redis://u:p/w@host`), only the scheme is kept.
 */
export function maskUrl(url: string): string {
  return url
    .split(/;(?=[a-z][a-z+]*:\/\/)/i)
    .map(maskOne)
    .join(';')
}

function maskOne(url: string): string {
  const hidden = url.replace(/([?&](?:password|token|secret)=)[^&]*/gi, '$1***')
  const [, scheme, rest] = /^([a-z][a-z+]*:\/\/)([^?]*)/i.exec(hidden) ?? []
  if (!rest?.includes('@')) return hidden
  const parsed = URL.parse(hidden)
  if (!parsed || (parsed.host !== '' && parsed.pathname.includes('@'))) return `${scheme}***`
  if (parsed.password === '') return hidden
  parsed.password = '***'
  return parsed.href
}
