// How a command that stays in front is ended.

/** Resolves at the first of the signals, which also aborts a start in progress; a second one is not waited for. */
export function stopSignal(abort: AbortController, signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    for (const name of signals) {
      process.on(name, () => {
        if (asked) {
          process.stderr.write('sampan: still stopping; what is left is cleaned up by the next `sampan up` or `sampan down`\n')
          process.exit(1)
        }
        asked = true
        abort.abort(new Error(`stopped by ${name}`))
        resolve()
      })
    }
  })
}
