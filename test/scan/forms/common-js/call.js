const tasks = require('./tasks.js')

tasks.add.delay(1, 2)
