// Amounts as the server keeps them: canonical text, rounded up to thousandths. Text that is no quantity stays for validation to refuse.
import { canonicalQuantity, canonicalResource } from '#api/quantity.ts'

export function defaultResourceList(list: Record<string, string> | undefined): void {
  if (!list) return
  for (const name of Object.keys(list)) list[name] = attempt(canonicalResource, list[name]!)
}

export function defaultResources(resources: { limits?: Record<string, string>; requests?: Record<string, string> } | undefined): void {
  defaultResourceList(resources?.limits)
  defaultResourceList(resources?.requests)
}

/** One quantity field, where present. */
export function defaultQuantity<K extends string>(holder: { [name in K]?: string } | undefined, field: K): void {
  const value = holder?.[field]
  if (holder && value !== undefined && value !== null) holder[field] = attempt(canonicalQuantity, value)
}

function attempt(canonical: (text: string) => string, text: string): string {
  try {
    return canonical(text)
  } catch {
    return text
  }
}
