import { describe, expect, test } from 'vitest'
import { editorCommand, findDefinitions, framesOf } from '../../../tui/src/source.ts'
import { makeProject } from '../../helpers/project.ts'

describe('source of a task', () => {
  test('frames of the project are found, innermost first, each once', () => {
    const project = makeProject({ 'src/mail.ts': '', 'src/lib/smtp.ts': '', 'node_modules/x/index.js': '' })
    const at = (path: string): string => project.path(path)

    const places = framesOf(
      [
        'Error: SMTP 421',
        `    at connect (file://${at('src/lib/smtp.ts')}:7:3)`,
        `    at ${at('src/mail.ts')}:42:11`,
        `    at async send (${at('src/mail.ts')}:42:11)`,
        `    at x (${at('node_modules/x/index.js')}:1:1)`,
        '    at process.processTicksAndRejections (node:internal/process/task_queues:104:5)',
        '    at gone (/elsewhere/gone.ts:1:1)',
      ].join('\n'),
      project.folder,
    )

    expect(places).toEqual([
      { file: at('src/lib/smtp.ts'), line: 7, column: 3 },
      { file: at('src/mail.ts'), line: 42, column: 11 },
    ])
  })

  test('a file of another machine is found by the end of its path', () => {
    const project = makeProject({ 'src/mail.ts': '' })

    const [place] = framesOf('Error\n    at send (/app/build/src/mail.ts:42:11)', project.folder)

    expect(place).toEqual({ file: project.path('src/mail.ts'), line: 42, column: 11 })
  })

  test('of a Python traceback the last line is the innermost', () => {
    const project = makeProject({ 'mail.py': '', 'smtp.py': '' })

    const places = framesOf(
      'Traceback (most recent call last):\n  File "/srv/mail.py", line 4, in send\n  File "/srv/smtp.py", line 9, in go\nX',
      project.folder,
    )

    expect(places.map(({ file, line }) => [file, line])).toEqual([
      [project.path('smtp.py'), 9],
      [project.path('mail.py'), 4],
    ])
  })

  test('the definition is found by the name of the task', async () => {
    const project = makeProject({
      'src/app.ts': `import { Tq } from 'tq-runtime'\nexport const app = new Tq('shop')\n\nexport const add = app.task('math.add', (x: number) => x)\n`,
    })

    expect(await findDefinitions(project.folder, 'math.add')).toEqual([
      { file: project.path('src/app.ts'), line: 4, column: 14 },
    ])
    expect(await findDefinitions(project.folder, 'math.mul')).toEqual([])
  })

  test.each([
    [{}, ['vi', '+4', '/a b.ts']],
    [{ EDITOR: 'nano' }, ['nano', '+4', '/a b.ts']],
    [{ EDITOR: 'nano', VISUAL: 'code --wait' }, ['code', '--wait', '--goto', '/a b.ts:4:2']],
    [{ EDITOR: '"/opt/my editor/hx"' }, ['/opt/my editor/hx', '/a b.ts:4:2']],
    [{ EDITOR: 'webstorm' }, ['webstorm', '--line', '4', '/a b.ts']],
  ])('%j opens the line', (env, command) => {
    expect(editorCommand({ file: '/a b.ts', line: 4, column: 2 }, env)).toEqual(command)
  })
})
