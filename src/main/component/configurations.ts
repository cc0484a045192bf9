// What /configz of a component shows: the settings of upstream's configuration that mean something here, as they stand, in upstream's words.
import type { LeaderElectionSettings, SchedulerConfiguration } from '#scheduler/configuration/configuration.ts'
import { defaultProfile } from '#scheduler/profile.ts'
import { INITIAL_BACKOFF_MS, MAX_BACKOFF_MS } from '#scheduler/queue/scheduling-queue.ts'

type Shown = Readonly<Record<string, unknown>>

export function controllersShown({ podCidr }: { podCidr: string }): Shown {
  return {
    'kubecontrollermanager.config.k8s.io': {
      Generic: { Controllers: ['*'], LeaderElection: electionShown('kube-controller-manager') },
      KubeCloudShared: { AllocateNodeCIDRs: true, ClusterCIDR: podCidr, UseServiceAccountCredentials: true },
      NodeIPAMController: { NodeCIDRMaskSizeIPv4: 24 },
    },
  }
}

export function schedulerShown(configuration: SchedulerConfiguration | undefined): Shown {
  const profiles = configuration?.profiles ?? [defaultProfile()]
  return {
    componentconfig: {
      LeaderElection: electionShown('kube-scheduler', configuration?.leaderElection),
      PodInitialBackoffSeconds: (configuration?.podInitialBackoffMs ?? INITIAL_BACKOFF_MS) / 1000,
      PodMaxBackoffSeconds: (configuration?.podMaxBackoffMs ?? MAX_BACKOFF_MS) / 1000,
      Profiles: profiles.map(({ schedulerName, percentageOfNodesToScore, plugins }) => ({
        SchedulerName: schedulerName,
        PercentageOfNodesToScore: percentageOfNodesToScore ?? null,
        Plugins: { MultiPoint: { Enabled: plugins.map(({ plugin, weight }) => ({ Name: plugin.name, Weight: weight })) } },
      })),
      Extenders: (configuration?.extenders ?? []).map(({ url }) => ({ URLPrefix: url })),
    },
  }
}

function electionShown(name: string, settings?: LeaderElectionSettings): Shown {
  const { leaderElect = true, leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000, lease } = settings ?? {}
  return {
    LeaderElect: leaderElect,
    LeaseDuration: `${leaseDurationMs / 1000}s`,
    RenewDeadline: `${renewDeadlineMs / 1000}s`,
    RetryPeriod: `${retryPeriodMs / 1000}s`,
    ResourceLock: 'leases',
    ResourceName: lease?.name ?? name,
    ResourceNamespace: lease?.namespace ?? 'kube-system',
  }
}
