// Access modes as tables abbreviate them, in a fixed order.

const SHORT = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX', ReadWriteOncePod: 'RWOP' }

export function accessModesText(modes: readonly string[] | undefined): string {
  return Object.entries(SHORT)
    .filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',')
}
