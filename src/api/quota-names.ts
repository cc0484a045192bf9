// Names that resource quotas limit, by what they are about.
import type { Kind } from './kind.ts'

const OF_PODS = /^(pods|((requests|limits)\.)?(cpu|memory|ephemeral-storage)|(requests\.)?hugepages-.+|requests\.[^/]+\/.+)$/

/** Whether pods count towards it, by their number or by what they ask for. */
export const isOfPods = (name: string): boolean => OF_PODS.test(name)

/** Events have never counted. */
export const isCountable = ({ group, plural }: Pick<Kind, 'group' | 'plural'>): boolean =>
  plural !== 'events' || (group !== '' && group !== 'events.k8s.io')
