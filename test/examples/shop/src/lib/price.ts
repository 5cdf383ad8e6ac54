export interface Item {
  name: string
  cents: number
  count: number
}

/** Price of one line in cents. */
export const price = (item: Item): number => item.cents * item.count

/** Price of all lines in cents. */
export const total = (items: readonly Item[]): number => items.reduce((sum, item) => sum + price(item), 0)
