export * from './two.ts'
export const ONE = 'cycle.one'
