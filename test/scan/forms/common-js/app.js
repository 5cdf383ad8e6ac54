const { Tq } = require('tq-runtime')

const app = new Tq('proj')
module.exports = { app }
