// A real etcd for tests, where one is installed: one process on a free port of loopback, its data in a directory that goes with it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock as clock } from '#lib/clock.ts'
import { GrpcChannel } from '#lib/grpc/channel.ts'
import { etcdSchema } from './schema.ts'

const PROGRAM = '/usr/bin/etcd'
export const noEtcd: string | false = existsSync(PROGRAM) ? false : 'etcd is not installed (Debian package etcd-server)'

export interface EtcdProcess extends AsyncDisposable {
  readonly address: { host: string; port: number }
  /** Removes all keys. */
  clear(): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
}

/** `parent`: the directory that its own is made in. */
export async function startEtcd(parent = tmpdir()): Promise<EtcdProcess> {
  for (let attempt = 0; ; attempt++)
    try {
      return await startOn(parent)
    } catch (error) {
      // Somebody else may have been given a port before etcd took it.
      if (attempt === 4) throw error
    }
}

async function startOn(parent: string): Promise<EtcdProcess> {
  const port = await lastingPort()
  const directory = mkdtempSync(join(parent, 'sampan-etcd-'))
  const address = { host: '127.0.0.1', port }
  const url = `http://127.0.0.1:${address.port}`
  const peerUrl = `http://127.0.0.1:${await lastingPort(port + 1)}`
  const given = {
    'data-dir': directory,
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
  }
  let child: ChildProcess | undefined
  const channel = new GrpcChannel({ addresses: [address] }, { schema: etcdSchema(), clock })
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) }
  const etcd: EtcdProcess = {
    address,
    async clear() {
      await channel.unary('KV.Txn', { success: [{ requestDeleteRange: all }] })
    },
    async start() {
      child = spawn(
        PROGRAM,
        Object.entries(given).flatMap(([flag, value]) => [`--${flag}`, value]),
        { stdio: 'ignore' },
      )
      for (let attempt = 0; ; attempt++) {
        try {
          await channel.unary('KV.Range', { key: Buffer.from('/') }, { deadlineMs: 1000 })
          return
        } catch (error) {
          if (attempt > 2400 || child.exitCode !== null) throw error
          await clock.sleep(50)
        }
      }
    },
    async stop() {
      if (!child || child.exitCode !== null) return
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
    async [Symbol.asyncDispose]() {
      channel[Symbol.dispose]()
      await etcd.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  try {
    await etcd.start()
  } catch (error) {
    await etcd[Symbol.asyncDispose]()
    throw error
  }
  return etcd
}

const [FIRST_PORT, MOST_PORT] = [12_000, 30_000]
const [RANGES, RANGE] = [1000, 16]

/**
 * A port of loopback that stays free until it is taken, and while who has it is started again: below those that the system hands out to anybody,
 * from a range of this process unless said otherwise.
 */
export async function lastingPort(from = FIRST_PORT + (process.pid % RANGES) * RANGE): Promise<number> {
  for (let port = from; port < MOST_PORT; port++) if (await isFree(port)) return port
  throw new Error('no port is free')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
