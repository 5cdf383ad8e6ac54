import { makeApp } from 'elsewhere'
import type { Tq } from 'tq-runtime'

const app: Tq = makeApp()
export const add = app.task('math.add', (x: number) => x)
