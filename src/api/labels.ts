// Plain maps of labels, as services, replication controllers and a pod's nodeSelector select by.

/** Whether every wanted label is there with its value. */
export function hasLabels(labels: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>> = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}
