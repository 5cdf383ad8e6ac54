import own = require('./app')

export const add = own.app.task('math.add', () => 0)
