import { app } from '../app.ts'

function root() {}
app.task(root)
