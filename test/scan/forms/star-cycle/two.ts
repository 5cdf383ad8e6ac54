export * from './one.ts'
export const TWO = 'cycle.two'
