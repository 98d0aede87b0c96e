import { MalformedEvent } from '../malformed.ts';

/**
 * A leg of a path: a member's name in UTF-8, or an array's cell, counted from its first element or, for `last` and `last-1`, from
 * its last.
 */
export type PathLeg =
  | { readonly kind: 'member'; readonly name: Buffer }
  | { readonly kind: 'cell'; readonly index: number; readonly isFromEnd: boolean };

/** A leg at this place: `.name`, `[7]`, `[last]`, `[last-7]`, or `."` before a quoted name. Paths of changes have no wildcards. */
const leg = /\s*(?:\.\s*("|[^\s"[.*]+)|\[\s*(?:(\d{1,10})|last(?:\s*-\s*(\d{1,10}))?)\s*\])/suy;

/** The legs of a path as the server writes them (Json_path::to_string in sql-common/json_path.cc): `$.a."b c"[3]`. */
export function parsePath(path: string): PathLeg[] {
  const text = path.trimEnd();
  if (!text.startsWith('$')) throw new MalformedEvent('a JSON path without $');
  const legs: PathLeg[] = [];
  let at = 1;
  while (at < text.length) {
    leg.lastIndex = at;
    const match = leg.exec(text);
    if (match === null) throw new MalformedEvent(`a JSON path that is none, from its character ${at} on`);
    const [whole, name, index, fromEnd] = match;
    at += whole.length;
    if (name === undefined) {
      legs.push({ kind: 'cell', index: Number(index ?? fromEnd ?? 0), isFromEnd: index === undefined });
    } else if (name === '"') {
      const end = endOfQuoted(text, at);
      legs.push({ kind: 'member', name: Buffer.from(unquoted(text.slice(at, end - 1))) });
      at = end;
    } else {
      legs.push({ kind: 'member', name: Buffer.from(unquoted(name)) });
    }
  }
  return legs;
}

/** Behind the quote that ends the name. Not by a regular expression: it would run out of stack on a broken path of many megabytes. */
function endOfQuoted(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') return at + 1;
    if (character === '\\') at++;
  }
  throw new MalformedEvent('a JSON path with a name that does not end');
}

/** A name's escapes are JSON's, in quotes and without. */
function unquoted(name: string): string {
  try {
    return String(JSON.parse(`"${name}"`));
  } catch (error) {
    throw new MalformedEvent('a JSON path with a name that is none', { cause: error });
  }
}
