/** Another one in each run, told where it is used; `TQ_SEED=7 npm run soak -- faults-redis` repeats it. */
export function seed(): number {
  return Number(process.env['TQ_SEED'] ?? (performance.timeOrigin % 1_000_000) | 0)
}
