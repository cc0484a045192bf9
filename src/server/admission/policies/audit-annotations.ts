// What the auditAnnotations of one policy came to, over all its bindings and parameters: each value once.
const MAX_LENGTH = 10 * 1024

export class AuditAnnotations {
  readonly #values = new Map<string, Set<string>>()

  add(key: string, value: string): void {
    const values = this.#values.get(key) ?? new Set()
    this.#values.set(key, values.add(value.slice(0, MAX_LENGTH)))
  }

  *texts(): Generator<[key: string, value: string]> {
    for (const [key, values] of this.#values) yield [key, [...values].join(', ')]
  }
}
