const all = new WeakMap<object, Map<string, unknown>>();

/** The values of a flow, a step or a connector: the same map for the same object, gone with the object. */
export function metadataOf(owner: object): Map<string, unknown> {
  const known = all.get(owner);
  if (known !== undefined) return known;
  const metadata = new Map<string, unknown>();
  all.set(owner, metadata);
  return metadata;
}
