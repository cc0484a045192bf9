// All extenders together: each narrows what the one before left. One that fails stops the cycle, unless scheduling may go on without it.
import type { Logger } from '#lib/log.ts'
import { type Diagnosis, EXTENDER } from '#scheduler/diagnosis.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import type { Candidate } from '#scheduler/preemption.ts'
import { Extender } from './extender.ts'
import type { ExtenderOptions } from './extender-options.ts'

export class Extenders {
  readonly #all: readonly Extender[]
  readonly #log: Logger

  constructor(options: readonly ExtenderOptions[], { log, signal }: { log: Logger; signal: AbortSignal }) {
    this.#all = options.map((one) => new Extender(one, signal))
    this.#log = log
  }

  concerned({ pod }: PodInfo): readonly Extender[] {
    return this.#all.length === 0 ? this.#all : this.#all.filter((one) => one.concerns(pod))
  }

  async filter(pod: PodInfo, nodes: readonly NodeInfo[], diagnosis: Diagnosis): Promise<readonly NodeInfo[]> {
    let left = nodes
    for (const one of this.concerned(pod)) {
      if (left.length === 0) break
      left = await this.#unlessIgnorable(one, left, (given) => one.filter(pod, given, diagnosis))
    }
    if (left.length < nodes.length) diagnosis.plugins.add(EXTENDER)
    return left
  }

  /** Points for each node; one that fails has no say. */
  async prioritize(pod: PodInfo, nodes: readonly NodeInfo[]): Promise<number[]> {
    const points = await Promise.all(
      this.concerned(pod).map((one) =>
        one.prioritize(pod, nodes).catch((error: unknown) => {
          this.#log.warn('an extender could not say how it likes the nodes', { extender: one.options.url, pod: pod.key, error })
          return nodes.map(() => 0)
        }),
      ),
    )
    return nodes.map((_, i) => points.reduce((sum, one) => sum + one[i]!, 0))
  }

  async preempt(pod: PodInfo, candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    let left = candidates
    for (const one of this.concerned(pod)) {
      if (left.length === 0) break
      left = await this.#unlessIgnorable(one, left, (given) => one.preempt(pod, given))
    }
    return left
  }

  /** Binds the pod in place of the API, if one of them does that. */
  async bind(pod: PodInfo, node: string): Promise<boolean> {
    for (const one of this.concerned(pod)) {
      if (!one.binds) continue
      try {
        await one.bind(pod, node)
        return true
      } catch (error) {
        this.#passOver(one, error)
      }
    }
    return false
  }

  async #unlessIgnorable<T>(
    one: Extender,
    given: readonly T[],
    ask: (given: readonly T[]) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    try {
      return await ask(given)
    } catch (error) {
      this.#passOver(one, error)
      return given
    }
  }

  #passOver({ options: { ignorable, url } }: Extender, error: unknown): void {
    if (!ignorable) throw error
    this.#log.warn('an extender failed and is passed over', { extender: url, error })
  }
}
