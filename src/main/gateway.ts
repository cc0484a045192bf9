// The addresses of this machine as a node of its cluster.
import type { ClusterConfig } from '#cli/config.ts'
import { addressAt, subnetAt } from '#lib/ipv4.ts'

const NODE_SUBNET_BITS = 24

/** This node's share of the pod range. It is the first node: others get theirs from the cluster. */
export const podCidrOf = ({ podCidr }: ClusterConfig): string => subnetAt(podCidr, NODE_SUBNET_BITS)
/** The node's address: where pods and the API server reach it, and nobody outside this machine can. */
export const gatewayOf = (config: ClusterConfig): string => addressAt(podCidrOf(config), 1)
