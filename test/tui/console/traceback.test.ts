import { describe, expect, test } from 'vitest'
import { foldedTraceback } from '../../../tui/src/ui/traceback.ts'

describe('a traceback in the detail', () => {
  test('shows the frames of the project by their short paths and folds the others', () => {
    const lines = foldedTraceback(
      [
        'TypeError: not an address',
        '    at file:///srv/shop/src/mail.ts:11:37',
        '    at call (/srv/tq/run.js:1:1)',
        '    at node:internal/x:1:1',
        '    at async send (/srv/shop/src/send.ts:2:2)',
        '    at /srv/shop/node_modules/x/y.js:1:1',
      ].join('\n'),
      '/srv/shop',
      '…',
    )

    expect(lines).toEqual([
      'TypeError: not an address',
      '    at src/mail.ts:11:37',
      '    … 2 frames of libraries',
      '    at async send (src/send.ts:2:2)',
      '    … 1 frame of libraries',
    ])
  })

  test('of another machine only what is a library by its path is folded', () => {
    const lines = foldedTraceback('Error\n    at send (/app/src/mail.ts:1:1)\n    at node:x:1:1', '/srv/shop', '~')

    expect(lines).toEqual(['Error', '    at send (/app/src/mail.ts:1:1)', '    ~ 1 frame of libraries'])
  })

  test('of Python stays as it is, made fit to be shown', () => {
    const text = 'Traceback:\n  File "a.py", line 4, in x\u001b[2J\nValueError'

    expect(foldedTraceback(text, '/srv', '…')).toEqual([
      'Traceback:',
      '  File "a.py", line 4, in x\\e[2J',
      'ValueError',
    ])
  })
})
