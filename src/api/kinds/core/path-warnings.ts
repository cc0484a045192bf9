// Files of one volume that lie in each other's way: the later hides the earlier, or neither can be written.
import type { Volume, VolumeProjection } from '#api/generated/types.ts'

/** Of one volume; volumes that are looked at; and overlaps of one volume that are told. An answer has room for a few of them only. */
const [MOST_FILES, MOST_VOLUMES, MOST_TOLD] = [200, 100, 50]

/** A file, and which of several sources it comes from. */
interface Placed {
  path: string
  source?: string
}

export function pathWarnings(volumes: readonly Volume[]): string[] {
  return volumes.slice(0, MOST_VOLUMES).flatMap((volume) => {
    const { name, configMap, secret, downwardAPI, projected } = volume
    const told = (what: string, files: readonly { path: string }[]) =>
      overlaps(files.map(({ path }) => ({ path }))).map((overlap) => `volume ${quote(name)} (${what}): overlapping paths: ${overlap}`)
    const found: string[] = []
    if (configMap?.items) found.push(...told(`ConfigMap ${quote(configMap.name)}`, configMap.items))
    if (secret?.items) found.push(...told(`Secret ${quote(secret.secretName)}`, secret.items))
    if (downwardAPI?.items) found.push(...told('DownwardAPI', downwardAPI.items))
    if (projected?.sources) found.push(...projectedWarnings(volume, projected.sources))
    return found
  })
}

function projectedWarnings({ name }: Volume, sources: readonly VolumeProjection[]): string[] {
  const empty = sources
    .filter((source) => Object.values(source).every((one) => one === undefined))
    .map(() => `volume ${quote(name)} (Projected) has no sources provided`)
  const found = overlaps(sources.flatMap(filesOf)).map((overlap) => `volume ${quote(name)} (Projected): overlapping paths: ${overlap}`)
  return [...empty, ...found]
}

function filesOf(projection: VolumeProjection): Placed[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = projection
  const from = (source: string, paths: readonly (string | undefined)[]) =>
    paths.filter((path) => path !== undefined && path !== '').map((path) => ({ path: path!, source }))
  const items = (list: readonly { path: string }[]) => list.map(({ path }) => path)
  if (configMap?.items) return from(`ConfigMap ${quote(configMap.name)}`, items(configMap.items))
  if (secret?.items) return from(`Secret ${quote(secret.name)}`, items(secret.items))
  if (downwardAPI?.items) return from('DownwardAPI', items(downwardAPI.items))
  if (serviceAccountToken) return from('ServiceAccountToken', [serviceAccountToken.path])
  if (clusterTrustBundle)
    return from(`ClusterTrustBundle ${quote(clusterTrustBundle.name ?? clusterTrustBundle.signerName)}`, [clusterTrustBundle.path])
  if (!podCertificate) return []
  return [
    ...from('PodCertificate chain', [podCertificate.certificateChainPath]),
    ...from('PodCertificate key', [podCertificate.keyPath]),
    ...from('PodCertificate credential bundle', [podCertificate.credentialBundlePath]),
  ]
}

/** Each file that is the same as an earlier one, or in its way. All pairs are looked at, so of very many files the first only. */
function overlaps(files: readonly Placed[]): string[] {
  const earlier: (Placed & { below: string })[] = []
  const found: string[] = []
  for (const { path: given, source } of files.slice(0, MOST_FILES)) {
    const path = withoutSlashes(given)
    if (!path) continue
    const file = { path, below: `${path}/`, ...(source ? { source } : {}) }
    for (const other of earlier)
      if (file.below.startsWith(other.below) || other.below.startsWith(file.below)) found.push(`${show(file)} with ${show(other)}`)
    if (found.length >= MOST_TOLD) break
    earlier.push(file)
  }
  return found.slice(0, MOST_TOLD)
}

/** Without those at its end. No pattern takes them off: that would go over a long row of them again from each. */
function withoutSlashes(path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end--
  return path.slice(0, end)
}

const show = ({ path, source }: Placed) => (source ? `${quote(path)} (${source})` : quote(path))
const quote = (text: string | undefined) => JSON.stringify(text ?? '')
