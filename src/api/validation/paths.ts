// File paths inside volumes and mounts: relative, downwards only.

export function descendingPathMessages(path: string): string[] {
  return [...(path.startsWith('/') ? ['must be a relative path'] : []), ...backStepMessages(path)]
}

export function backStepMessages(path: string): string[] {
  return path.split('/').includes('..') ? ["must not contain '..'"] : []
}

/** Paths of files the kubelet writes: names beginning with `..` are its own. */
export function nonReservedPathMessages(path: string): string[] {
  return [...descendingPathMessages(path), ...(path.startsWith('..') && !path.startsWith('../') ? ["must not start with '..'"] : [])]
}
