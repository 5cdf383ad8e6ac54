import { compute } from './compute.ts'

process.on('disconnect', () => process.exit())
process.on('message', ({ seed, rounds }: { seed: number; rounds: number }) => {
  process.send?.(compute(seed, rounds))
})
process.send?.('ready')
