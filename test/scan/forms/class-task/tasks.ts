import { Task } from 'tq-runtime'
import { app } from './app.ts'
import { Mail } from './base.ts'

class Send extends Mail {}

export class Archive extends Task {
  run(year: number): number {
    return year
  }
}

export const send = app.registerTask('mail.send', { queue: 'mail' }, Send)
export const archive = app.registerTask(Archive)
export const calls = [send.delay('ann@example.org'), app.sendTask('mail.send', [])]
