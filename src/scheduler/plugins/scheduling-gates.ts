// Pods with gates wait until whoever set them has taken them away.
import type { Plugin } from '#scheduler/plugin.ts'

export const SchedulingGates: Plugin = {
  name: 'SchedulingGates',
  gates: ({ pod }) => (pod.spec?.schedulingGates?.length ?? 0) > 0,
  local: () => '',
}
