import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodSpec } from '#api/generated/types.ts'
import { type Dns, hostsFile, parseResolvConf, podDns, podNames } from './pod-network.ts'

const pod = (spec: Partial<PodSpec> = {}, name = 'web-0'): Pod => ({
  metadata: { name, namespace: 'shop' },
  spec: { containers: [], ...spec },
})
const settings = {
  clusterDns: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  host: parseResolvConf('nameserver 192.0.2.53\nsearch example.org.\noptions timeout:1\n'),
}
const cluster = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local']

const rows: [name: string, spec: Partial<PodSpec>, dns: Dns][] = [
  ['ClusterFirst', {}, { servers: ['10.96.0.10'], searches: [...cluster, 'example.org'], options: ['ndots:5'] }],
  [
    'ClusterFirst on the host network',
    { hostNetwork: true },
    { servers: ['192.0.2.53'], searches: ['example.org'], options: ['timeout:1'] },
  ],
  [
    'ClusterFirstWithHostNet',
    { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
    { servers: ['10.96.0.10'], searches: [...cluster, 'example.org'], options: ['ndots:5'] },
  ],
  [
    'None with its own settings',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['1.1.1.1'], searches: ['own.example'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] },
    },
    { servers: ['1.1.1.1'], searches: ['own.example'], options: ['ndots:2', 'edns0'] },
  ],
  [
    'ClusterFirst with options replaced',
    { dnsConfig: { options: [{ name: 'ndots', value: '1' }] } },
    { servers: ['10.96.0.10'], searches: [...cluster, 'example.org'], options: ['ndots:1'] },
  ],
]
for (const [name, spec, dns] of rows) test(`podDns ${name}`, () => assert.deepEqual(podDns(pod(spec), settings).dns, dns))

test('podDns keeps three name servers and says so', () => {
  const { dns, dropped } = podDns(
    pod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'] } }),
    settings,
  )
  assert.deepEqual(dns.servers, ['1.1.1.1', '1.1.1.2', '1.1.1.3'])
  assert.equal(dropped.length, 1)
})

test('podNames makes a domain name of hostname and subdomain', () => {
  assert.deepEqual(podNames(pod({ hostname: 'db', subdomain: 'data' }), 'cluster.local'), {
    hostname: 'db',
    fqdn: 'db.data.shop.svc.cluster.local',
    kernel: 'db',
  })
  assert.equal(podNames(pod({ subdomain: 'data', setHostnameAsFQDN: true }), 'cluster.local').kernel, 'web-0.data.shop.svc.cluster.local')
  assert.equal(podNames(pod({}, 'a'.repeat(70)), 'cluster.local').hostname.length, 63)
  assert.throws(
    () => podNames(pod({ subdomain: 's'.repeat(40), setHostnameAsFQDN: true }), 'cluster.local'),
    /is too long \(64 characters is the max/,
  )
})

test('hostsFile lists the pod, its domain name and its aliases', () => {
  const own = pod({ subdomain: 'data', hostAliases: [{ ip: '192.0.2.9', hostnames: ['a', 'b'] }] })
  const text = hostsFile(own, { names: podNames(own, 'cluster.local'), ips: ['10.244.0.5'], hostFile: '' })
  assert.match(text, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/)
  assert.match(text, /\n10\.244\.0\.5\tweb-0\.data\.shop\.svc\.cluster\.local\tweb-0\n/)
  assert.match(text, /\n\n# Entries added by HostAliases\.\n192\.0\.2\.9\ta\tb\n$/)
})

test('hostsFile on the host network is the node’s own', () => {
  const own = pod({ hostNetwork: true })
  const text = hostsFile(own, { names: podNames(own, 'cluster.local'), ips: [], hostFile: '127.0.0.1 localhost machine\n' })
  assert.equal(text, '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost machine\n')
})
