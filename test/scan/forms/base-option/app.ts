import { Tq } from 'tq-runtime'

export const app = new Tq('proj')
