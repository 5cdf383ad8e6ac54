/** Which of several servers is tried when one is lost: the next one, or any other. Celery's `broker_failover_strategy`. */
export type FailoverStrategy = 'round-robin' | 'shuffle'

/** How far from the place in use the next one is, among `places`. */
export function failoverStep(places: number, strategy: FailoverStrategy): number {
  return strategy === 'shuffle' ? 1 + Math.floor(Math.random() * (places - 1)) : 1
}
