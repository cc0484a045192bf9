// What is encrypted when nobody says: Secrets, with a key of this cluster's own. The file is an EncryptionConfiguration as upstream reads it, so that
// whoever moves the data to etcd and upstream's API server takes the file along. AES-GCM, because it binds each value to its place in the store.
import type { Random } from '#lib/random.ts'
import type { KeyFiles } from '#server/pki/owner-only-files.ts'
import type { EncryptionSource } from './encryption.ts'

const FILE = 'encryption-config.yaml'
const KEY_BYTES = 32

/** Makes the file when it is absent; never replaces it. */
export function localEncryption(files: KeyFiles, random: Random): EncryptionSource {
  const read = () => files.read(FILE)
  if (read() === undefined) files.write(FILE, configuration(random.bytes(KEY_BYTES).toString('base64')))
  return { read: () => read() ?? '', rewrite: true }
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
