// What a client would take, as it says in an Accept header. At most 64 media ranges of it are read.

/** Media ranges by quality, then as written. */
export function clauses(accept: string): { type: string; parameters: Map<string, string> }[] {
  return accept
    .split(',', 64)
    .map((clause) => {
      const [type = '', ...rest] = clause.split(';').map((part) => part.trim())
      const parameters = new Map<string, string>()
      for (const parameter of rest) {
        const equals = parameter.indexOf('=')
        if (equals > 0)
          parameters.set(
            parameter.slice(0, equals).trim(),
            parameter
              .slice(equals + 1)
              .trim()
              .replaceAll('"', ''),
          )
      }
      const quality = Number(parameters.get('q') ?? 1)
      parameters.delete('q')
      return { type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 0 }
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((a, b) => b.quality - a.quality)
}
