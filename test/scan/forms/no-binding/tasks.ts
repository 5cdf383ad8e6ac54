import { app } from './app.ts'

app.task('one', () => 1)
app.task('two', function named(x: number) {
  return x
})
