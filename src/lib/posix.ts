// The few C library calls that Node does not offer, by FFI. Loaded on first use; Linux with glibc.
import { createRequire } from 'node:module'
import { getSystemErrorMessage } from 'node:util'

export interface Posix {
  /** Two descriptors, closed on exec: what is written to the second is read from the first. */
  pipe(): [read: number, write: number]
  /** Throws with the system's error when the program cannot be started. */
  spawn(argv: readonly string[], options: { environment: string[]; stdin: number; stdout: number; stderr: number }): number
  /** The exit code (128 + signal when killed), or undefined while it still runs. */
  reap(pid: number): number | undefined
  kill(pid: number): void
  /** Takes the pages of a mapped file, never written through this map, out of this process: who touches one finds it in the page cache again. */
  releasePages(address: number, bytes: number): void
}

const O_CLOEXEC = 0o2000000
const WNOHANG = 1
const SIGKILL = 9
const SETSIGDEF = 4
const MADV_DONTNEED = 4

let loaded: Posix | undefined

export function lib(): Posix {
  loaded ??= load()
  return loaded
}

function load(): Posix {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const libc = koffi.load(process.platform === 'linux' ? 'libc.so.6' : null)
  const pipe2 = libc.func('int pipe2(_Out_ int *fds, int flags)')
  const spawnp = libc.func(
    'int posix_spawnp(_Out_ int *pid, const char *file, void *actions, void *attr, const char **argv, const char **envp)',
  )
  const actionsInit = libc.func('int posix_spawn_file_actions_init(void *actions)')
  const actionsDup2 = libc.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)')
  const actionsDestroy = libc.func('int posix_spawn_file_actions_destroy(void *actions)')
  const attrInit = libc.func('int posix_spawnattr_init(void *attr)')
  const attrDestroy = libc.func('int posix_spawnattr_destroy(void *attr)')
  const setSigDefault = libc.func('int posix_spawnattr_setsigdefault(void *attr, void *set)')
  const setFlags = libc.func('int posix_spawnattr_setflags(void *attr, short flags)')
  const waitpid = libc.func('int waitpid(int pid, _Out_ int *status, int options)')
  const kill = libc.func('int kill(int pid, int signal)')
  const madvise = libc.func('int madvise(uintptr_t address, size_t bytes, int advice)')
  return {
    pipe() {
      const fds: [number, number] = [0, 0]
      if (pipe2(fds, O_CLOEXEC) !== 0) throw new Error(`cannot make a pipe: error ${koffi.errno()}`)
      return fds
    },
    spawn(argv, { environment, stdin, stdout, stderr }) {
      // Opaque structures, given more room than any C library takes.
      const actions = Buffer.alloc(512)
      const attr = Buffer.alloc(1024)
      actionsInit(actions)
      attrInit(attr)
      try {
        for (const [to, from] of [stdin, stdout, stderr].entries()) actionsDup2(actions, from, to)
        // Node ignores SIGPIPE; a program must not inherit that.
        setSigDefault(attr, Buffer.alloc(128, 0xff))
        setFlags(attr, SETSIGDEF)
        const pid = [0]
        const error = spawnp(pid, argv[0], actions, attr, [...argv, null], [...environment, null]) as number
        if (error !== 0) throw Object.assign(new Error(`cannot run ${argv[0]}: ${getSystemErrorMessage(-error)}`), { errno: error })
        return pid[0]!
      } finally {
        actionsDestroy(actions)
        attrDestroy(attr)
      }
    },
    reap(pid) {
      const status = [0]
      const found = waitpid(pid, status, WNOHANG) as number
      if (found === 0) return undefined
      const word = status[0]!
      return (word & 0x7f) === 0 ? (word >> 8) & 0xff : 128 + (word & 0x7f)
    },
    kill(pid) {
      kill(pid, SIGKILL)
    },
    releasePages(address, bytes) {
      if (madvise(address, bytes, MADV_DONTNEED) !== 0) throw new Error(`cannot release pages: error ${koffi.errno()}`)
    },
  }
}
