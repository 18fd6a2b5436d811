/**
 * A real RabbitMQ of one's own: Debian's rabbitmq-server as a child process, with directories, names and ports that
 * nobody else has, on loopback only. Stopped by its id.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'amqplib'
import { generate } from 'selfsigned'

const root = '/usr/lib/rabbitmq/lib'

/** False, or why tests with a real broker are skipped. */
export function rabbitMissing(): string | false {
  return script() === undefined ? 'rabbitmq-server is not installed' : false
}

export type Rabbit = {
  port: number
  /** The same over TLS, with the certificate that it has. */
  tls: { port: number; ca: string }
  /** As after a crash: what was durable is there again. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export async function startRabbit(): Promise<Rabbit> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-rabbit-'))
  const [port = 0, distribution = 0, names = 0, tlsPort = 0] = await freePorts(4)
  const ca = await certify(dir)
  const environment = {
    PATH: process.env.PATH,
    HOME: dir,
    ERL_EPMD_PORT: String(names),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `cordon-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(dir, 'data'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_PID_FILE: join(dir, 'pid'),
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'plugins'),
    RABBITMQ_CONF_ENV_FILE: join(dir, 'env.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
  }
  const conf = [
    'vm_memory_high_watermark.relative = 0.9',
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.certfile = ${join(dir, 'cert.pem')}`,
    `ssl_options.keyfile = ${join(dir, 'key.pem')}`,
    'ssl_options.verify = verify_none',
  ]
  writeFileSync(join(dir, 'rabbitmq.conf'), `${conf.join('\n')}\n`)
  writeFileSync(join(dir, 'plugins'), '[].\n')
  writeFileSync(join(dir, 'env.conf'), '')
  const epmd = spawn('epmd', ['-port', String(names), '-address', '127.0.0.1'], { stdio: 'ignore' })
  const start = async () => {
    const child = spawn(script() ?? '', { env: environment, stdio: 'ignore', detached: true })
    await answers(port, child)
    return child
  }
  let server = await start()
  return {
    port,
    tls: { port: tlsPort, ca },
    restart: async () => {
      await end(server)
      server = await start()
    },
    stop: async () => {
      await end(server)
      epmd.kill('SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function certify(dir: string): Promise<string> {
  const pair = await generate([{ name: 'commonName', value: 'rabbit' }], {
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  })
  writeFileSync(join(dir, 'key.pem'), pair.private)
  writeFileSync(join(dir, 'cert.pem'), pair.cert)
  return pair.cert
}

function script(): string | undefined {
  if (!existsSync(root)) return undefined
  const version = readdirSync(root).find((name) => name.startsWith('rabbitmq_server-'))
  const path = version && join(root, version, 'sbin/rabbitmq-server')
  return path && existsSync(path) ? path : undefined
}

/** It is a shell script with the machine as its child: both are one group of processes, which is ours. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  process.kill(-child.pid, 'SIGKILL')
  await gone
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 1_500; tries++) {
    if (child.exitCode !== null) throw new Error(`rabbitmq-server ended with ${child.exitCode}`)
    try {
      const model = await connect({
        hostname: '127.0.0.1',
        port,
        username: 'guest',
        password: 'guest',
      })
      await model.close()
      return
    } catch {
      await pause(100)
    }
  }
  await end(child)
  throw new Error('rabbitmq-server did not start in time')
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
    const address = server.address()
    if (typeof address === 'object' && address) ports.push(address.port)
  }
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}
