import { math, plus } from './tasks'

plus.delay(1)
math.add.delay(2)
const jobs = { plus }
jobs.plus.s(3)
