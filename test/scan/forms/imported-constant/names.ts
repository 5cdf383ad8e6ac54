export const SEND = 'mail.send'
