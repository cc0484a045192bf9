// The image of every pod's sandbox, built here so that no registry is needed.
import type { Clock } from '#lib/clock.ts'
import { openContainerdImages } from './containerd-images.ts'
import { buildImage, type ImageManifest } from './oci.ts'
import { type Machine, pauseProgram } from './pause-program.ts'
import { packTar } from './tar.ts'

export const PAUSE_IMAGE = 'sampan.dev/pause:1'

const ARCHITECTURES: Record<Machine, string> = { x64: 'amd64', arm64: 'arm64' }

export async function ensurePauseImage({ endpoint, clock }: { endpoint: string; clock: Clock }): Promise<void> {
  const machine = process.arch as Machine
  const architecture = ARCHITECTURES[machine]
  if (!architecture) throw new Error(`real nodes run on x64 and arm64, not on ${process.arch}`)
  const layer = await packTar([{ name: 'pause', content: pauseProgram(machine), mode: 0o755 }])
  const { manifest, blobs } = buildImage([layer], { architecture, defaults: { Entrypoint: ['/pause'], User: '65535:65535' } })
  using images = openContainerdImages({ endpoint, clock })
  if ((await images.find(PAUSE_IMAGE))?.digest === manifest.digest) return
  await images.protect(async (content) => {
    for (const [digest, bytes] of blobs) {
      const children = digest === manifest.digest ? manifestChildren(bytes) : []
      await content.write(
        { digest, size: bytes.length },
        {
          children,
          bytes: async function* () {
            yield bytes
          },
        },
      )
    }
    await images.tag(PAUSE_IMAGE, manifest)
  })
}

function manifestChildren(bytes: Buffer) {
  const { config, layers } = JSON.parse(bytes.toString()) as ImageManifest
  return [config, ...layers]
}
