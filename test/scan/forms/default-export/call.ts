import send from './tasks.ts'

void send.delay('x')
