import type { add } from './tasks.ts'

add.delay(1)
