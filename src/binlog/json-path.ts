import { MalformedEvent } from './malformed.ts';

/**
 * A leg of a path: a member's name in UTF-8, or an array's cell, counted from its first element or, for `last` and `last-1`, from
 * its last.
 */
export type PathLeg =
  | { readonly kind: 'member'; readonly name: Buffer }
  | { readonly kind: 'cell'; readonly index: number; readonly isFromEnd: boolean };

/** A leg at this place: `.name`, `."name"` with JSON's escapes, `[7]`, `[last]` or `[last-7]`. Paths of changes have no wildcards. */
const leg = /\s*(?:\.\s*("(?:[^"\\]|\\.)*"|[^\s"[.*]+)|\[\s*(?:(\d{1,10})|last(?:\s*-\s*(\d{1,10}))?)\s*\])\s*/suy;

/** The legs of a path as the server writes them (Json_path::to_string in sql-common/json_path.cc): `$.a."b c"[3]`. */
export function parsePath(text: string): PathLeg[] {
  if (!text.startsWith('$')) throw new MalformedEvent('a JSON path without $');
  const legs: PathLeg[] = [];
  let at = 1;
  while (at < text.length) {
    leg.lastIndex = at;
    const match = leg.exec(text);
    if (match === null) throw new MalformedEvent(`a JSON path that is none, from its character ${at} on`);
    const [whole, name, index, fromEnd] = match;
    if (name === undefined) legs.push({ kind: 'cell', index: Number(index ?? fromEnd ?? 0), isFromEnd: index === undefined });
    else legs.push({ kind: 'member', name: Buffer.from(unquoted(name)) });
    at += whole.length;
  }
  return legs;
}

function unquoted(name: string): string {
  try {
    return String(JSON.parse(name.startsWith('"') ? name : `"${name}"`));
  } catch (error) {
    throw new MalformedEvent('a JSON path with a name that is none', { cause: error });
  }
}
