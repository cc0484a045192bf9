// /version: which Kubernetes this is. Clients compare minor versions; tools show the rest.
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'
import { answer } from '#server/http/call.ts'
import type { Endpoint } from './endpoint.ts'

export type BuildVersion = ReturnType<typeof buildVersion>

export function buildVersion(sampanVersion: string) {
  return {
    major: '1',
    minor: '36',
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    gitVersion: `${KUBERNETES_VERSION}+sampan${sampanVersion}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node${process.versions.node}`,
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}

export function versionEndpoint(version: BuildVersion): Endpoint {
  const body = JSON.stringify(version, null, 2)
  return {
    path: '/version',
    methods: ['GET'],
    serves: (path) => path === '/version' || path === '/version/',
    answer: (call) => answer(call, 200, { type: 'application/json', body }),
  }
}
