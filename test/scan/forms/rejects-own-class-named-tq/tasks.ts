class Tq {
  task(name: string, fn: () => number) {
    return fn
  }
}
const app = new Tq()
export const add = app.task('math.add', () => 0)
