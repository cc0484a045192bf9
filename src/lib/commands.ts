// Short programs (nft, ip, mount) run without forking from the process that holds the cluster's objects.

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

export interface Commands {
  /** Runs `argv[0]` with the rest as arguments, never through a shell. Resolves whatever the exit code. */
  run(argv: readonly string[], options?: { stdin?: string; env?: Record<string, string>; timeoutMs?: number }): Promise<CommandResult>
}
