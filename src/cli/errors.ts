// The two ways in which a command ends early. Each is told in one plain line: what happened, to what, and what to do next.

/** A wrong word on the command line; exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Something on this machine stands in the way; exit code 1. */
export class CommandError extends Error {
  override name = 'CommandError'
}
