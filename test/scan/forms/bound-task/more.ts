import { mk } from './index.ts'

export const sub = mk('math.sub', (x: number) => x)
