// Mounts a node makes for its pods: memory file systems and bind mounts. What is mounted is asked of the kernel, never remembered.
import { readFile } from 'node:fs/promises'
import type { Commands } from '#lib/commands.ts'

export interface Mounter {
  tmpfs(path: string, options: { sizeBytes?: number }): Promise<void>
  bind(source: string, target: string): Promise<void>
  /** Unmounts everything at and below the directory, deepest first. */
  unmountBelow(directory: string): Promise<void>
  mounted(path: string): Promise<boolean>
}

const MOUNTINFO = '/proc/self/mountinfo'

export function createMounter(commands: Commands): Mounter {
  const run = async (argv: string[]) => {
    const { code, stderr } = await commands.run(argv)
    if (code !== 0) throw new Error(`${argv[0]} failed: exit status ${code}: ${stderr.trim()}`)
  }
  return {
    async tmpfs(path, { sizeBytes }) {
      const size = sizeBytes ? ['-o', `size=${sizeBytes}`] : []
      await run(['mount', '-t', 'tmpfs', ...size, 'tmpfs', path])
    },
    bind: (source, target) => run(['mount', '--no-canonicalize', '--bind', source, target]),
    async unmountBelow(directory) {
      const points = (await mountPoints()).filter((point) => point === directory || point.startsWith(`${directory}/`))
      for (const point of points.reverse()) await run(['umount', '--no-canonicalize', point])
    },
    mounted: async (path) => (await mountPoints()).includes(path),
  }
}

/** Of this process' mount namespace, in the order in which they were mounted. */
export async function mountPoints(): Promise<string[]> {
  const text = await readFile(MOUNTINFO, 'utf8')
  return text.split('\n').flatMap((line) => {
    const point = line.split(' ')[4]
    return point ? [point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))] : []
  })
}
