// The programs a real node needs, which Debian package brings each, and installing what is missing.
import { existsSync } from 'node:fs'
import type { Commands } from '#lib/commands.ts'
import { CommandError } from './errors.ts'
import { atTerminal, confirm, say } from './output.ts'

interface Need {
  what: string
  package: string
  /** Any one of these files is enough. */
  files: readonly string[]
}

const bins = (name: string) =>
  ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((folder) => `${folder}/${name}`)

export const NEEDS: readonly Need[] = [
  { what: 'containerd', package: 'containerd', files: bins('containerd') },
  { what: 'crun or runc', package: 'runc', files: [...bins('crun'), ...bins('runc')] },
  { what: 'CNI plugins', package: 'containernetworking-plugins', files: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'] },
  { what: 'nft', package: 'nftables', files: bins('nft') },
  { what: 'conntrack', package: 'conntrack', files: bins('conntrack') },
  { what: 'ip', package: 'iproute2', files: bins('ip') },
]

export function missingNeeds(exists: (file: string) => boolean = existsSync): Need[] {
  return NEEDS.filter(({ files }) => !files.some(exists))
}

/** Installs once what a real node lacks. On a terminal it asks first unless `yes`; otherwise one line says what it does. */
export async function ensurePackages({ commands, yes }: { commands: Commands; yes: boolean }): Promise<void> {
  const missing = missingNeeds()
  if (missing.length === 0) return
  const names = missing.map((need) => need.package)
  if (!bins('apt-get').some((file) => existsSync(file))) {
    throw new CommandError(
      `a real node needs ${missing.map(({ what }) => what).join(', ')}: install them with this system's package manager, or use --nodes simulated`,
    )
  }
  if (!yes && atTerminal()) {
    if (!(await confirm(`Install the Debian packages ${names.join(', ')} for containers?`))) {
      throw new CommandError('nothing installed. Use --nodes simulated to run without containers.')
    }
  } else {
    say(`installing the Debian packages ${names.join(', ')} (once)`)
  }
  await apt(commands, ['install', '-y', '--no-install-recommends', ...names]).catch(async () => {
    // The package lists may never have been fetched, or may name versions that are gone.
    await apt(commands, ['update'])
    await apt(commands, ['install', '-y', '--no-install-recommends', ...names])
  })
  const still = missingNeeds()
  if (still.length > 0) throw new CommandError(`still missing after installing packages: ${still.map(({ what }) => what).join(', ')}`)
}

/** Another package manager may be at work. */
const LOCK_SECONDS = 300

async function apt(commands: Commands, words: string[]): Promise<void> {
  const { code, stdout, stderr } = await commands.run(['apt-get', '-q', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, ...words], {
    timeoutMs: 600_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (code !== 0) {
    const last = `${stdout}\n${stderr}`.trim().split('\n').slice(-3).join(' ')
    throw new CommandError(`apt-get ${words[0]} failed: ${last}`)
  }
}
