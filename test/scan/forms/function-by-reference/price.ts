/** The price. */
export function price(cents: number, rate = 1.2): number
export function price(cents: string): string
export function price(cents: unknown): unknown {
  return cents
}
