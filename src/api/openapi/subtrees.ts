// Work on a large tree in slices, though it is written as one recursion: subtrees of which each is short work are done first, one after the other; the
// recursion over the whole then finds them done.

/** Those with at most `most` nodes whose parents have more; none where the whole tree is that small. Each step weighs the nodes it came by. */
export function* subtreesOf<T extends object>(root: T, childrenOf: (node: T) => Iterable<T>, most: number): Generator<number, T[]> {
  const nodes: T[] = [root]
  const parents: number[] = [-1]
  // Grows while it is walked: parents come before their children.
  for (let at = 0; at < nodes.length; at++) {
    for (const child of childrenOf(nodes[at]!)) {
      nodes.push(child)
      parents.push(at)
    }
    yield 1
  }
  if (nodes.length <= most) return []
  const sizes = new Uint32Array(nodes.length).fill(1)
  for (let at = nodes.length - 1; at > 0; at--) {
    sizes[parents[at]!]! += sizes[at]!
    if (at % most === 0) yield most
  }
  return nodes.filter((_, at) => sizes[at]! <= most && sizes[parents[at]!]! > most)
}
