export const SEND = 'mail.send'
export default 'mail.default'
