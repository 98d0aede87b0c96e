import type { JoinOptions } from './join-options.ts';
import { isWithin } from './join-header.ts';

/**
 * The key of joined rows: left's where a row of left has one row of right at most, right's where it is the other way round, else both.
 * A field of right stands in joined rows under the name that it is taken by, or as the field of left that is joined on it;
 * `missing` are those that stand nowhere.
 */
export function joinedKey(
  options: Pick<JoinOptions, 'on' | 'take' | 'type'>,
  keys: { readonly left: readonly string[]; readonly right: readonly string[] },
): { readonly key: readonly string[]; readonly missing: readonly string[] } {
  const { on, take, type } = options;
  const named = keys.right.map((column) => {
    const find = (names: Readonly<Record<string, string>>): string | undefined =>
      Object.keys(names).find((name) => names[name] === column);
    return { column, name: find(take) ?? find(on) };
  });
  if (type === 'left' || isWithin(keys.right, Object.values(on))) return { key: keys.left, missing: [] };
  const right = named.flatMap(({ name }) => name ?? []);
  const missing = named.flatMap(({ column, name }) => (name === undefined ? [column] : []));
  const left = isWithin(keys.left, Object.keys(on)) ? [] : keys.left;
  return { key: [...new Set([...left, ...right])], missing };
}
