export const SEND = 'one.send'
