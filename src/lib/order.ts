// Orders of texts: by code unit, as Go sorts what is ASCII. Never by a locale.

export const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** For entries of objects and maps. */
export const byKey = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number => compareTexts(a, b)
