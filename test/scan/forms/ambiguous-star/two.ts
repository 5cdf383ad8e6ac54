export const SEND = 'two.send'
