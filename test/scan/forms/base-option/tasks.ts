import { Task } from 'tq-runtime'
import { app } from './app.ts'

class Database extends Task {}
const patient = { maxRetries: 10 }

export const save = app.task('orders.save', { bind: true, base: Database, queue: 'orders' }, (self, id: string) => [self, id])
export const plain = app.task('orders.plain', { base: patient }, (id: string) => id)
