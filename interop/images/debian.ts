// Programs of this machine's Debian packages, with the libraries they load, as layers of images.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TarEntry } from '#node/images/tar.ts'

const PACKAGES: Record<string, string> = {
  '/bin/busybox': 'busybox-static',
  '/usr/bin/redis-server': 'redis-server',
  '/usr/bin/redis-cli': 'redis-tools',
  '/usr/bin/curl': 'curl',
  '/usr/bin/etcd': 'etcd-server',
}

/** Installs the packages of programs that are missing. */
export function ensurePrograms(programs: readonly string[]): void {
  const missing = [...new Set(programs.filter((program) => !existsSync(program)).map((program) => PACKAGES[program]!))]
  if (missing.length === 0) return
  // Runlevel 1: what a package brings is not started as a service.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const install = () =>
    execFileSync('apt-get', ['install', '-o', 'DPkg::Lock::Timeout=300', '-y', '-q', '--no-install-recommends', ...missing], {
      env,
      stdio: 'pipe',
    })
  try {
    install()
  } catch {
    execFileSync('apt-get', ['update', '-q'], { env, stdio: 'pipe' })
    install()
  }
}

/** What a cached image depends on: changes when a package is upgraded. */
export function fingerprint(programs: readonly string[]): string {
  return programs.map((program) => `${program} ${statSync(program).size} ${statSync(program).mtimeMs}`).join('\n')
}

/** The programs and every library the loader would bring, at the paths where it looks for them. */
export function withLibraries(programs: readonly string[]): TarEntry[] {
  const files = new Set(programs)
  for (const program of programs) {
    for (const [, library] of execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)) files.add(library!)
  }
  return withFolders([...files].map((file) => ({ name: file.slice(1), content: readFileSync(file), mode: 0o755 })))
}

/** The busybox program, a link for each of its applets, and the few files that make a root. */
export function busyboxRoot(): TarEntry[] {
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean)
  const links = applets
    .filter((name) => name !== 'busybox')
    .map((name): TarEntry => ({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' }))
  const text = (name: string, content: string): TarEntry => ({ name, content: Buffer.from(content) })
  return withFolders([
    { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
    ...links,
    text(
      'etc/passwd',
      'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    ),
    text('etc/group', 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n'),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    ...['dev', 'home', 'proc', 'sys', 'usr/bin', 'usr/sbin', 'var/log', 'var/www', 'run'].map(
      (name): TarEntry => ({ name, type: 'directory' }),
    ),
    { name: 'root', type: 'directory', mode: 0o700 },
    { name: 'tmp', type: 'directory', mode: 0o1777 },
  ])
}

/** Puts the folders of every entry before it. */
export function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const known = new Set(['.'])
  const out: TarEntry[] = []
  const add = (folder: string) => {
    if (known.has(folder)) return
    add(dirname(folder))
    known.add(folder)
    out.push({ name: folder, type: 'directory' })
  }
  for (const entry of entries) {
    add(dirname(entry.name))
    if (entry.type === 'directory' && known.has(entry.name)) continue
    if (entry.type === 'directory') known.add(entry.name)
    out.push(entry)
  }
  return out
}
