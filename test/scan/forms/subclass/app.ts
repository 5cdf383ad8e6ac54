import { Tq } from 'tq-runtime'

class Queue extends Tq {}
export const app = new Queue('proj')
