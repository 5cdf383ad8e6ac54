import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How to start a private RabbitMQ node, and how to talk to it: plain data, so that another process can. */
export interface NodePlan {
  /** Everything it writes; whoever starts it removes it. */
  readonly folder: string
  readonly port: number
  /** Erlang's name for it. */
  readonly node: string
  readonly env: Readonly<Record<string, string>>
  /** Runs before and beside it, in the foreground: the one that a node starts by itself would outlive it. */
  readonly epmd: readonly [command: string, ...args: string[]]
  /** The wrapper in PATH insists on a user of its own. */
  readonly server: string
  /** Part of a line that it writes when it takes connections, after 4 to 20 seconds. */
  readonly ready: string
}

export interface RabbitmqVhost {
  readonly name: string
  /** `amqp://guest:guest@127.0.0.1:<port>/<vhost>` */
  readonly url: string
  drop(): void
}

// A node that waits must not spin on the cores that everything shares.
const frugal = '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'

export async function planNode(): Promise<NodePlan> {
  const [port, distribution, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'tq-rabbitmq-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  mkdirSync(join(folder, 'log'))
  const node = `tq${port}@localhost`
  const conf = `listeners.tcp.1 = 127.0.0.1:${port}\nloopback_users = none\nlog.console = true\nlog.file = false\n`
  return {
    folder,
    port,
    node,
    env: {
      HOME: folder,
      RABBITMQ_NODENAME: node,
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('plugins', '[].\n'),
      RABBITMQ_CONFIG_FILE: file('rabbit.conf', conf),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: frugal,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(epmdPort),
    },
    epmd: ['epmd', '-port', String(epmdPort), '-address', '127.0.0.1'],
    server: '/usr/lib/rabbitmq/bin/rabbitmq-server',
    ready: 'Server startup complete',
  }
}

let calls = 0

/** Evaluates Erlang on the running node and returns what it prints; 5 ms. */
export function evaluateOn({ folder, node, env }: NodePlan, erlang: string): string {
  const cookie = readFileSync(join(folder, '.erlang.cookie'), 'utf8')
  for (let tries = 1; ; tries++) {
    // The node refuses a second caller of the same name.
    const caller = `t${process.pid}x${calls++}`
    const { stdout, stderr } = spawnSync('erl_call', ['-sname', node, '-h', caller, '-c', cookie, '-e'], {
      input: `${erlang}.\n`,
      encoding: 'utf8',
      env: { ...process.env, ...env },
      timeout: 60_000,
    })
    if (stdout.startsWith('{ok')) return stdout.slice('{ok, '.length, -1)
    // On a busy machine the node may be too slow to shake hands.
    if (tries === 5 || !stderr.includes('failed to connect')) throw new Error(`${erlang}\n${stdout}${stderr}`)
  }
}

let vhosts = 0

/** A new, empty vhost on the running node; takes some 30 ms. */
export function createVhost(plan: NodePlan): RabbitmqVhost {
  const name = `v${process.pid}-${vhosts++}`
  const all = '<<".*">>'
  evaluateOn(
    plan,
    `rabbit_vhost:add(<<"${name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"${name}">>, ${all}, ${all}, ${all}, <<"tests">>)`,
  )
  return {
    name,
    url: `amqp://guest:guest@127.0.0.1:${plan.port}/${name}`,
    drop: () => void evaluateOn(plan, `rabbit_vhost:delete(<<"${name}">>, <<"tests">>)`),
  }
}

/** Ends the connections of one vhost as a broken network does; `product` as clients name themselves, `tq` for ours. */
export function cutConnections(plan: NodePlan, vhost: string, product: string): void {
  const all = `rabbit_networking:connections()`
  const info = (key: string): string => `proplists:get_value(${key}, rabbit_networking:connection_info(P, [${key}]))`
  const isOurs = `lists:keyfind(<<"product">>, 1, ${info('client_properties')}) =:= {<<"product">>, longstr, <<"${product}">>}`
  evaluateOn(
    plan,
    `[rabbit_networking:close_connection(P, "cut") || P <- ${all}, ${info('vhost')} =:= <<"${vhost}">>, ${isOurs}]`,
  )
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
