const { app } = require('./app')

/**
 * Adds.
 * @param {number} x first
 * @param {number} [y] second
 * @returns {number}
 */
exports.add = app.task('math.add', (x, y) => x + y)
