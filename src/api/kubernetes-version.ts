// The Kubernetes that server, nodes and command line say they are.
export const KUBERNETES_VERSION = 'v1.36.0'
