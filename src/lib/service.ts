// The life cycle every long-running part shares: constructing does no I/O, start resolves when ready, disposing stops it.

export interface Service {
  readonly name: string
  /** Resolves when ready. `signal` aborts a start in progress; what was started stops when the returned value is disposed. */
  start(signal: AbortSignal): Promise<AsyncDisposable>
}

/** Starts services as read, one after the other; disposing stops them in reverse. A failed start stops what was already running. */
export async function startAll(
  services: readonly Service[],
  options: { signal: AbortSignal; ready?(service: Service, elapsedMs: number): void; monotonic(): number },
): Promise<AsyncDisposable> {
  await using starting = new AsyncDisposableStack()
  for (const service of services) {
    options.signal.throwIfAborted()
    const began = options.monotonic()
    starting.use(await service.start(options.signal))
    options.ready?.(service, options.monotonic() - began)
  }
  return starting.move()
}
