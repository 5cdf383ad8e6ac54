import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './project.ts'

/** Files of one authority and of one certificate for `localhost` that it vouches for, good for both ends of a connection. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Makes them anew, in a folder that goes with the test. */
export function makeCertificates(): Certificates {
  const folder = temporaryFolder()
  const [ca, caKey] = [join(folder, 'ca.pem'), join(folder, 'ca.key')]
  const [cert, key, request] = [join(folder, 'cert.pem'), join(folder, 'key.pem'), join(folder, 'request.pem')]
  const names = join(folder, 'names')
  writeFileSync(names, 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...fresh, '-keyout', caKey, '-out', ca, '-subj', '/CN=tests', '-days', '2')
  openssl('req', ...fresh, '-keyout', key, '-out', request, '-subj', '/CN=localhost')
  const signed = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', names, '-days', '2']
  openssl('x509', '-req', '-in', request, '-out', cert, ...signed)
  return { ca, cert, key }
}
