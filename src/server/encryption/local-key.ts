// What is encrypted when nobody says: Secrets, with a key of this cluster's own. The file is an EncryptionConfiguration as upstream reads it, so that
// whoever moves the data to etcd and upstream's API server takes the file along. AES-GCM, because it binds each value to its place in the store.
import type { Random } from '#lib/random.ts'
import type { KeyFiles } from '#server/pki/owner-only-files.ts'
import type { Store } from '#store/store.ts'
import { BadEncryptionConfiguration } from './configuration.ts'
import type { EncryptionSource } from './encryption.ts'
import { isEncrypted } from './providers.ts'

const FILE = 'encryption-config.yaml'
const KEY_BYTES = 32

/** Makes the file when it is absent, and never replaces it. Absent it may be only while nothing is encrypted with what it held. */
export async function localEncryption(files: KeyFiles, { random, store }: { random: Random; store: Store }): Promise<EncryptionSource> {
  const read = () => files.read(FILE)
  if (read() === undefined) {
    const { entries } = await store.list('/registry/secrets/', { limit: 1 })
    if (entries.some(({ value }) => isEncrypted(value)))
      throw new BadEncryptionConfiguration(
        `${files.path(FILE)} is missing, and Secrets are stored that only its key can read: restore it from a backup, or start afresh with \`sampan reset\`.`,
      )
    // Of several servers that start at once, one makes it: what the others encrypt must be readable to all.
    using _alone = await files.alone()
    if (read() === undefined) files.write(FILE, configuration(random.bytes(KEY_BYTES).toString('base64')))
  }
  return {
    path: files.path(FILE),
    advice: 'Restore it from a backup: stored Secrets can be read with its key alone.',
    read: () => read() ?? '',
    rewrite: true,
  }
}

function configuration(secret: string): string {
  return `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aesgcm:
          keys:
            - name: local
              secret: ${secret}
      - identity: {}
`
}
