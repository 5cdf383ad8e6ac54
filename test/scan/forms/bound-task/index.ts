export { define as mk } from './define.ts'
