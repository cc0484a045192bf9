// The cluster's keys and certificates on disk. What is there and good is kept: a second start issues and loads nothing.
// An authority is never replaced: a damaged one is reported, since everything it signed would become worthless.
import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'
import { parseSigningKey } from '#server/access/key-files.ts'
import { type CertificateSpec, type CertifiedKey, serves, widened } from './certificate-spec.ts'
import { type KeyFiles, MemoryFiles, OwnerOnlyFiles } from './owner-only-files.ts'

export interface PkiOptions {
  /** `<data>/pki`; created if absent. Without one the keys live as long as the process. */
  directory?: string
  clock: Clock
  random: Random
  hostName: string
  /** First address of the service range. */
  serviceAddress?: string
  clusterDomain?: string
  /** Further names and addresses by which clients reach the API server. */
  addresses?: readonly string[]
}

export interface NodeCertificates {
  /** system:node:NAME in group system:nodes. */
  client: CertifiedKey
  /** For the kubelet's own HTTPS port. */
  serving: CertifiedKey
}

export interface Pki {
  directory: string
  /** PEM of the cluster's authority: what clients trust and what client certificates are checked against. */
  authority: string
  authorityPath: string
  /** Signs for aggregated API servers who the user is. */
  frontProxyAuthority: string
  frontProxyClient: CertifiedKey
  serving: CertifiedKey
  admin: CertifiedKey
  /** With it the API server calls the kubelets. */
  kubeletClient: CertifiedKey
  serviceAccountKey: { privateKey: KeyObject; publicKey: KeyObject }
  nodeCertificates(name: string, addresses: readonly string[]): Promise<NodeCertificates>
  /** PEM certificate for a PEM request, signed by the cluster's authority. */
  signCertificate(request: string, options: { usages: readonly string[]; lifetimeMs: number }): Promise<string>
}

/** The authority on disk cannot be used and is not replaced silently. */
export class DamagedPki extends Error {
  override name = 'DamagedPki'
}

export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const files: KeyFiles = options.directory === undefined ? new MemoryFiles() : new OwnerOnlyFiles(options.directory)
  // Two that start at once would make two authorities.
  using _alone = await files.alone()
  const context = () => ({ now: options.clock.now(), random: options.random })

  const authorityOf = async (name: string, commonName: string): Promise<CertifiedKey> => {
    const present = readAuthority(files, name)
    if (present) return present
    const { issueAuthority } = await import('./issuer.ts')
    return save(files, name, issueAuthority(commonName, context()))
  }
  const certified = async (name: string, spec: CertificateSpec, by: { authority: CertifiedKey; in?: KeyFiles }) => {
    const place = by.in ?? files
    const present = readPair(place, name)
    const authority = new X509Certificate(by.authority.certificate)
    if (present && serves(present, { spec, authority, now: options.clock.now() })) return present
    const { issueCertificate } = await import('./issuer.ts')
    const wanted = spec.shared && present ? widened(spec, present, { authority, now: options.clock.now() }) : spec
    return save(place, name, issueCertificate(wanted, by.authority, context()))
  }

  const authority = await authorityOf('ca', 'kubernetes')
  const frontProxy = await authorityOf('front-proxy-ca', 'front-proxy-ca')
  const client = (commonName: string, ...organizations: string[]): CertificateSpec => ({
    commonName,
    organizations,
    usages: ['client auth'],
  })
  return {
    directory: files.directory,
    authority: authority.certificate,
    authorityPath: files.path('ca.crt'),
    frontProxyAuthority: frontProxy.certificate,
    frontProxyClient: await certified('front-proxy-client', client('front-proxy-client'), { authority: frontProxy }),
    serving: await certified('apiserver', servingSpec(options), { authority }),
    admin: await certified('admin', client('kubernetes-admin', 'system:masters'), { authority }),
    kubeletClient: await certified('apiserver-kubelet-client', client('kube-apiserver-kubelet-client', 'system:masters'), { authority }),
    serviceAccountKey: serviceAccountKey(files),
    async nodeCertificates(name, addresses) {
      const nodeFiles = files.folder('nodes')
      const user = { commonName: `system:node:${name}`, organizations: ['system:nodes'] }
      return {
        client: await certified(`${name}-client`, { ...user, usages: ['client auth'] }, { authority, in: nodeFiles }),
        serving: await certified(
          `${name}-serving`,
          { ...user, usages: ['server auth'], addresses: [...new Set([name, ...addresses])] },
          { authority, in: nodeFiles },
        ),
      }
    },
    async signCertificate(request, { usages, lifetimeMs }) {
      const { certifyRequest } = await import('./issuer.ts')
      return certifyRequest(request, authority, { ...context(), usages, lifetimeMs })
    },
  }
}

function servingSpec({
  hostName,
  serviceAddress = '10.96.0.1',
  clusterDomain = 'cluster.local',
  addresses = [],
}: PkiOptions): CertificateSpec {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${clusterDomain}`]
  const names = ['localhost', '127.0.0.1', '::1', ...service, serviceAddress, hostName.toLowerCase(), ...addresses]
  return { commonName: 'kube-apiserver', usages: ['server auth'], addresses: [...new Set(names)].filter(certifiable), shared: true }
}

/** Host names a certificate can carry; a machine may be called anything. */
function certifiable(name: string): boolean {
  return isIP(name) !== 0 || /^(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/.test(name)
}

function serviceAccountKey(files: KeyFiles): Pki['serviceAccountKey'] {
  const text = files.read('sa.key')
  if (text !== undefined) {
    try {
      return parseSigningKey(text)
    } catch (cause) {
      throw new DamagedPki(
        `${files.path('sa.key')} is no private key for RSA or ECDSA: restore it, or remove it to invalidate all tokens`,
        { cause },
      )
    }
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  files.write('sa.key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return { privateKey, publicKey }
}

function readPair(files: KeyFiles, name: string): CertifiedKey | undefined {
  const certificate = files.read(`${name}.crt`)
  const key = files.read(`${name}.key`)
  return certificate !== undefined && key !== undefined ? { certificate, key } : undefined
}

/** The certificate is written after its key: without it the first start did not get far enough to sign anything. */
function readAuthority(files: KeyFiles, name: string): CertifiedKey | undefined {
  const certificate = files.read(`${name}.crt`)
  if (certificate === undefined) return undefined
  const key = files.read(`${name}.key`)
  // Not the whole directory: the key of the stored Secrets lies there, too.
  const fix = `restore both from a backup, or remove both to make new ones, which ends all certificates of the old`
  if (key === undefined) throw new DamagedPki(`${files.path(`${name}.key`)} is missing: ${fix}`)
  try {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return { certificate, key }
  } catch (cause) {
    throw new DamagedPki(`${files.path(name)}.crt or .key cannot be read: ${fix}`, { cause })
  }
  throw new DamagedPki(`${files.path(name)}.crt does not belong to its key: ${fix}`)
}

function save(files: KeyFiles, name: string, pair: CertifiedKey): CertifiedKey {
  files.write(`${name}.key`, pair.key)
  files.write(`${name}.crt`, pair.certificate)
  return pair
}
