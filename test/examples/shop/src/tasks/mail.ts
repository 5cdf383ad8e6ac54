import { app } from '../app.ts'

export interface Mail {
  to: string
  subject: string
  body?: string
}

/** Sends a mail; gives the text that went out. */
export const send = app.task('mail.send', (mail: Mail): string => {
  if (!mail.to.includes('@')) throw new TypeError(`not an address: ${mail.to}`)
  return `to ${mail.to}: ${mail.subject}${mail.body ? `\n\n${mail.body}` : ''}`
})

/** The digest of one day; `when` arrives as a Date, whichever way it was sent. */
export const digest = app.task(
  'mail.digest',
  (to: string, when: Date): string => `digest for ${to} of ${when.toISOString().slice(0, 10)}`,
)
