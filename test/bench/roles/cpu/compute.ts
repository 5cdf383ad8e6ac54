/** The same work whatever the load: the rounds, not a clock, say when it is done. */
export function compute(seed: number, rounds: number): number {
  let value = seed | 1
  for (let round = 0; round < rounds; round++) value = (Math.imul(value, 1_664_525) + 1_013_904_223) | 0
  return value
}
