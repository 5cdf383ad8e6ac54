import { Task } from 'tq-runtime'

export class Mail extends Task {
  /** Sends a mail. */
  async run(to: string, subject = 'Hello'): Promise<void> {
    void [to, subject]
  }
}
