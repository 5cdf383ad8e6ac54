import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { main } from '../../runtime/src/cli/main.ts'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import type { Delivery, Transport } from '../../runtime/src/transports/transport.ts'
import { makeProject } from '../helpers/project.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

/** Command lines in this process, on a project with a database of its own. */
function project() {
  const made = makeProject({ 'app.ts': "import { Tq } from 'tq-runtime'\nexport const app = new Tq('sample')\n" })
  const db = join(made.folder, 'tq.db')
  vi.stubEnv('TQ_DB', db)
  const tq = async (...args: readonly string[]) => {
    const run = { stdout: '', stderr: '', code: 0 }
    process.exitCode = undefined
    await main([...args, '-A', made.path('app.ts')], {
      data: (text) => void (run.stdout += `${text}\n`),
      note: (text) => void (run.stderr += `${text}\n`),
      isTty: false,
    })
    return { ...run, code: process.exitCode ?? 0 }
  }
  return { db, tq }
}

/** Sets a call of each task aside, the last one as the newest. */
async function setAside(db: string, ...tasks: readonly string[]): Promise<Transport> {
  const app = new Tq('filler', { broker: `sqlite://${db}`, logger: silentLogger })
  onTestFinished(() => app.close())
  const transport = await app.connections.transport()
  for (const task of tasks) {
    await app.sendTask(task, [2, 2], {}, { taskId: `id of ${task}` })
    const arrived = Promise.withResolvers<Delivery>()
    const subscription = await transport.subscribe(['celery'], { prefetch: 1 }, ([one]) => one && arrived.resolve(one))
    await transport.quarantine.put(await arrived.promise, `${task} killed it\nthree times`)
    await subscription.close()
  }
  return transport
}

test('quarantine shows what was set aside, sends it again and deletes it', async () => {
  const { db, tq } = project()
  const transport = await setAside(db, 'math.add', 'math.\u001b[31mred')
  const [, older] = await transport.quarantine.list(2)

  const shown = await tq('quarantine')
  const json = await tq('quarantine', '--json', '-n', '1')
  const unknown = await tq('quarantine', '--restore', older?.id ?? '', 'nobody')
  const restored = await tq('quarantine', '--restore', older?.id ?? '')
  const waiting = await transport.queueInfo('celery')
  const dropped = await tq('quarantine', '--drop')
  const nothing = await tq('quarantine')

  expect(shown.stdout.split('\n')).toEqual([
    expect.stringMatching(/^ID\s+SET ASIDE\s+QUEUE\s+TASK\s+REASON$/),
    expect.stringMatching(/celery {2}math\.\\u001b\[31mred {2}math\.\\u001b\[31mred killed it$/),
    expect.stringMatching(/celery {2}math\.add\s+math\.add killed it$/),
    '',
  ])
  expect(JSON.parse(json.stdout)).toEqual([
    {
      id: expect.any(String),
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      queue: 'celery',
      task: 'math.\u001b[31mred',
      taskId: 'id of math.\u001b[31mred',
      reason: 'math.\u001b[31mred killed it\nthree times',
    },
  ])
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("called 'nobody'; nothing was restored") })
  expect([restored.stdout, waiting.ready]).toEqual(['Sent 1 message again.\n', 1])
  expect(dropped.stdout).toBe('Deleted 1 message.\n')
  expect(nothing).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('Nothing is in quarantine') })
})
