// Thousands of roles and rules.
import { many, range, type Turns } from './turns.ts'
import { MAPS } from './scene-parts.ts'

const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
const rules = (count: number, group: string) => range(count).map((i) => ({ apiGroups: [`${group}${i}`], resources: ['a'], verbs: ['get'] }))

export async function roles(turns: Turns): Promise<void> {
  const apiGroup = 'rbac.authorization.k8s.io'
  const subjects = ['bench', 'poor'].map((name) => ({ kind: 'User', name, apiGroup }))
  await many(3000, async (i) => {
    const metadata = { name: `r${i}` }
    await turns.must('POST', `${RBAC}/roles`, { metadata, rules: [{ apiGroups: [`g${i}`], resources: ['a', 'b'], verbs: ['get'] }] })
    await turns.must('POST', `${RBAC}/rolebindings`, { metadata, roleRef: { apiGroup, kind: 'Role', name: `r${i}` }, subjects })
  })
  const as = { 'impersonate-user': 'poor' }
  const review = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews'
  await turns.request('a review of 3,000 roles', 'POST', review, { spec: { namespace: 'default' } }, as)
  await turns.request('a request under them', 'GET', MAPS, '', as)
  await turns.request('a role of 30,000 rules', 'POST', `${RBAC}/roles`, { metadata: { name: 'huge' }, rules: rules(30_000, 'h') })
  await turns.request(
    'a role escalating 20,000 rules',
    'POST',
    `${RBAC}/roles`,
    { metadata: { name: 'esc' }, rules: rules(20_000, 'h') },
    as,
  )
  const huge = { metadata: { name: 'huge' }, roleRef: { apiGroup, kind: 'Role', name: 'huge' }, subjects }
  await turns.request('a binding of 30,000 rules', 'POST', `${RBAC}/rolebindings`, huge)
  await turns.request('a review of 33,000 rules', 'POST', review, { spec: { namespace: 'default' } }, as)
  await turns.request('a request under 33,000 rules', 'GET', MAPS, '', as)
}
