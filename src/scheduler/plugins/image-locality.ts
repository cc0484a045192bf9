// Prefers nodes that already have the pod's images; large ones count more, ones on few nodes less so that not all pods flock there.
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Cluster } from '#scheduler/cluster.ts'
import { MAX_SCORE, type Plugin } from '#scheduler/plugin.ts'

const MEGABYTE = 1024 * 1024
const MIN_BYTES = 23 * MEGABYTE
const MAX_BYTES_PER_CONTAINER = 1000 * MEGABYTE

export const ImageLocality: Plugin = {
  name: 'ImageLocality',
  score({ pod }, cluster) {
    const { containers, images } = imagesHere(pod, cluster)
    if (images.length === 0) return undefined
    const total = cluster.nodes.length
    const maxBytes = MAX_BYTES_PER_CONTAINER * containers
    return {
      of(node) {
        let bytes = 0
        for (const name of images) {
          const size = node.images.get(name)
          if (size) bytes += Math.floor(size * (cluster.nodesWithImage(name) / total))
        }
        const within = Math.min(Math.max(bytes, MIN_BYTES), maxBytes)
        return Math.floor((MAX_SCORE * (within - MIN_BYTES)) / (maxBytes - MIN_BYTES))
      },
    }
  },
  local({ pod }, cluster) {
    const { containers, images } = imagesHere(pod, cluster)
    if (images.length === 0) return ''
    return JSON.stringify([containers, cluster.nodes.length, images.map((name) => [name, cluster.nodesWithImage(name)])])
  },
}

/** How many containers the pod has, and those of their images that any node has. */
function imagesHere({ spec }: Pod, cluster: Cluster): { containers: number; images: string[] } {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const images = containers.map(({ image = '' }) => normalized(image)).filter((name) => cluster.nodesWithImage(name) > 0)
  return { containers: containers.length, images }
}

/** Adds `:latest` where neither tag nor digest is given. */
function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') && !image.includes('@') ? `${image}:latest` : image
}
