const app = { task: (name: string, fn: () => number) => fn, sendTask(name: string) {} }

export const add = app.task('math.add', () => 0)
app.sendTask('math.add')
add()
