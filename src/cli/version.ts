// Which program this is, and which Kubernetes it speaks.
import { readFileSync } from 'node:fs'
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'

export function programVersion(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}

export function versionText(): string {
  return `sampan ${programVersion()} (Kubernetes ${KUBERNETES_VERSION}, Node ${process.version})`
}
