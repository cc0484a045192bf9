// The node's side of the pod network: a bridge with the gateway's address, routes and kernel settings, and the CNI configuration containerd
// reads. Made before anything listens on the gateway; stopping takes every trace away.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Commands } from '#lib/commands.ts'
import { addressAt, ipv4Range } from '#lib/ipv4.ts'
import type { Logger } from '#lib/log.ts'
import type { Service } from '#lib/service.ts'
import { MissingFeature } from './proxy/nft.ts'

export const BRIDGE = 'sampan0'

export interface PodNetworkOptions {
  commands: Commands
  log: Logger
  /** This node's share of the pod range, e.g. 10.244.0.0/24. */
  podCidr: string
  /** The pod range of all nodes together, e.g. 10.244.0.0/16. */
  clusterCidr: string
  serviceCidr: string
  /** Served on the bridge beside the gateway's address. */
  clusterDns: string
  /** Receives the CNI configuration. */
  confDirectory: string
  /** For the addresses handed out. */
  stateDirectory: string
}

/** [setting, value]: forwarding between pods and out; bridged traffic passes the rules; node ports answer on 127.0.0.1. */
const SETTINGS: readonly [string, string][] = [
  ['net/ipv4/ip_forward', '1'],
  ['net/bridge/bridge-nf-call-iptables', '1'],
  [`net/ipv4/conf/${BRIDGE}/route_localnet`, '1'],
]

export function createPodNetwork(options: PodNetworkOptions): Service {
  return {
    name: 'pod network',
    async start() {
      await using undo = new AsyncDisposableStack()
      writeCniConfiguration(options)
      await makeBridge(options)
      undo.defer(() => removeBridge(options.commands, [options.clusterCidr, options.serviceCidr]))
      if (!existsSync('/proc/sys/net/bridge')) await options.commands.run(['modprobe', 'br_netfilter']).catch(() => undefined)
      for (const [name, value] of SETTINGS) undo.defer(set(name, value))
      return undo.move()
    },
  }
}

/** Removes what a killed process left. Harmless when there is nothing. */
export async function removeBridge(commands: Commands, ranges: readonly string[]): Promise<void> {
  for (const range of ranges) await commands.run(['ip', 'route', 'delete', range])
  await commands.run(['ip', 'link', 'delete', BRIDGE])
}

async function makeBridge({ commands, podCidr, clusterCidr, serviceCidr, clusterDns }: PodNetworkOptions): Promise<void> {
  // A bridge left by a killed process carries running pods: it is taken over, so every step accepts what is there.
  const gateway = `${addressAt(podCidr, 1)}/${ipv4Range(podCidr).prefix}`
  const steps = [
    `link add name ${BRIDGE} type bridge`,
    `address replace ${gateway} dev ${BRIDGE}`,
    `address replace ${clusterDns}/32 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    // Rules change the destination before this route counts; through the bridge, pods would be redirected to addresses nobody has.
    `route replace ${serviceCidr} dev lo src ${addressAt(podCidr, 1)}`,
    // Every node's share has a more specific route: what is left of the range belongs to nobody.
    `route replace unreachable ${clusterCidr}`,
  ]
  const { code, stderr } = await commands.run(['ip', '-force', '-batch', '-'], { stdin: `${steps.join('\n')}\n` })
  const real = stderr.split('\n').filter((line) => line && !/File exists|^Command failed/.test(line))
  if (code !== 0 && real.length > 0)
    throw new MissingFeature(`the pod network's bridge cannot be made: ${real[0]}. Use --nodes simulated to run without containers.`)
}

/** Writes a kernel setting and returns how to put it back. */
function set(name: string, value: string): () => void {
  const file = `/proc/sys/${name}`
  let before: string
  try {
    before = readFileSync(file, 'utf8').trim()
    if (before !== value) writeFileSync(file, value)
  } catch (error) {
    // Settings of the bridge module are absent where bridged traffic never passes the rules' hooks.
    if (name.startsWith('net/bridge/')) {
      throw new MissingFeature('services need the kernel module br_netfilter: run `modprobe br_netfilter` and start again')
    }
    throw error
  }
  return () => {
    try {
      if (before !== value) writeFileSync(file, before)
    } catch {
      // The bridge, and its settings with it, may be gone already.
    }
  }
}

function writeCniConfiguration({ podCidr, confDirectory, stateDirectory }: PodNetworkOptions): void {
  const configuration = {
    cniVersion: '1.0.0',
    name: 'sampan',
    plugins: [
      {
        type: 'bridge',
        bridge: BRIDGE,
        isGateway: true,
        hairpinMode: true,
        ipMasq: false,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
          dataDir: join(stateDirectory, 'addresses'),
        },
      },
    ],
  }
  mkdirSync(confDirectory, { recursive: true, mode: 0o700 })
  const file = join(confDirectory, '10-sampan.conflist')
  const text = `${JSON.stringify(configuration, null, 2)}\n`
  try {
    if (readFileSync(file, 'utf8') === text) return
  } catch {
    // Not there yet.
  }
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  rmSync(`${file}.new`, { force: true })
}
