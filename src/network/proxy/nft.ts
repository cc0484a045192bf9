// Brings the kernel's table to a wanted state: the whole at first, differences afterwards, each as one transaction. After a failure the table
// is made anew, so that what is in the kernel and what is believed to be there never drift apart.
import type { Commands } from '#lib/commands.ts'
import { baseTable, difference, emptyRuleSet, type RuleSet, TABLE } from './rules.ts'

export interface TableNetwork {
  podCidr: string
  serviceCidr: string
  bridge: string
  gateway: string
}

/** The kernel or the `nft` program cannot do what service addresses need. The message says what to do. */
export class MissingFeature extends Error {
  override name = 'MissingFeature'
}

export class NftTable {
  readonly #commands: Commands
  readonly #network: TableNetwork
  #applied: RuleSet | undefined

  constructor(commands: Commands, network: TableNetwork) {
    this.#commands = commands
    this.#network = network
  }

  /** Makes the table with its hooks; drops what an earlier process left under its name. */
  async create(): Promise<void> {
    const { code, stderr } = await this.#nft(baseTable(this.#network))
    if (code !== 0) {
      throw new MissingFeature(
        `service addresses need nftables with NAT and fib in the kernel, and nft says: ${firstLine(stderr)}. Use --nodes simulated to run without.`,
      )
    }
    this.#applied = emptyRuleSet()
  }

  async apply(wanted: RuleSet): Promise<void> {
    if (!this.#applied) await this.create()
    const transaction = difference(this.#applied!, wanted)
    if (transaction === '') return
    const { code, stderr } = await this.#nft(transaction)
    if (code !== 0) {
      this.#applied = undefined
      throw new Error(`nft refused a change of the service rules: ${firstLine(stderr)}`)
    }
    this.#applied = wanted
  }

  async remove(): Promise<void> {
    this.#applied = undefined
    await this.#commands.run(['nft', 'delete', 'table', 'ip', TABLE])
  }

  #nft(stdin: string) {
    return this.#commands.run(['nft', '-f', '-'], { stdin, timeoutMs: 60_000 })
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? ''
}
