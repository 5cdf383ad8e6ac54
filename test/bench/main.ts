import { availableParallelism, cpus, loadavg } from 'node:os'
import { type Area, measure, type Scale } from './harness.ts'

/**
 * `npm run bench -- [area...] [--quick]`: prints what was measured beside the raw figure of the same run. Nothing is asserted:
 * wall-clock figures move with the load of the machine, so compare inside one run; CPU per task moves least.
 * BENCH_RUNS (3) says how often each area runs; the areas run one after the other, what is compared inside one run.
 */

const areas: Readonly<Record<string, () => Promise<Area>>> = {
  sqlite: async () => (await import('./area-sqlite.ts')).sqliteArea,
  redis: async () => (await import('./area-redis.ts')).redisArea,
  peers: async () => (await import('./area-peers.ts')).peersArea,
  rabbitmq: async () => (await import('./area-rabbitmq.ts')).rabbitmqArea,
  canvas: async () => (await import('./area-canvas.ts')).canvasArea,
  start: async () => (await import('./area-start.ts')).startArea,
  repl: async () => (await import('./area-repl.ts')).replArea,
  scan: async () => (await import('./area-scan.ts')).scanArea,
  console: async () => (await import('./area-console.ts')).consoleArea,
  extension: async () => (await import('./area-extension.ts')).extensionArea,
  cpu: async () => (await import('./area-cpu.ts')).cpuArea,
  eta: async () => (await import('./area-eta.ts')).etaArea,
  memory: async () => (await import('./area-memory.ts')).memoryArea,
}

const args = process.argv.slice(2)
const isQuick = args.includes('--quick')
const wanted = args.filter((arg) => !arg.startsWith('--'))
const unknown = [...wanted.filter((name) => !(name in areas)), ...args.filter((arg) => /^--(?!quick$)/.test(arg))]
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. Areas: ${Object.keys(areas).join(', ')}; option: --quick.`)
  process.exit(2)
}
// Servers and workers are ended when this process exits.
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const runs = Number(process.env['BENCH_RUNS'] ?? (isQuick ? 1 : 3))
const scale: Scale = isQuick ? { tasks: 4000, calls: 600, idleMs: 1500 } : { tasks: 10_000, calls: 1500, idleMs: 2500 }
const load = loadavg()[0]?.toFixed(1)
console.log(
  `Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model}), load ${load}; medians of ${runs} ${runs === 1 ? 'run' : 'runs'}, ` +
    `${scale.tasks.toLocaleString('en-US')} tasks per drain. Ratios are of the same run.`,
)
for (const [name, area] of Object.entries(areas)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  try {
    await measure(await area(), runs, scale)
  } catch (error) {
    process.exitCode = 1
    console.log(`\n${name}: could not be measured. ${error instanceof Error ? error.stack : String(error)}`)
  }
}
process.exit() // whatever a measurement left open
