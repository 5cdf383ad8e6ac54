import { app } from './app.ts'

/**
 * Sends a mail.
 * In two lines.
 * @param to - where it goes
 * @param {string} subject what it says
 * @returns nothing of use
 */
export const send = app.task('mail.send', (to: string, subject: string) => to + subject)
