export { autoName } from '../core/task-name.ts'
