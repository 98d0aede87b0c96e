/**
 * Control characters (C0, DEL, C1), line and paragraph separators, and those that turn the direction of a text: a terminal obeys them, and what
 * comes from a database or an error message may hold any.
 */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unseen = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** A text for one line of a terminal: what a terminal would obey is written out, `\x1b`. */
export function visible(text: string): string {
  return text.replace(unseen, writeOut);
}

/** The same for a text of several lines: line feeds and tabs stay. A JSON document stays one, and means the same. */
export function visibleLines(text: string): string {
  return text.replace(unseen, (sign) => (sign === '\n' || sign === '\t' ? sign : writeOut(sign)));
}

function writeOut(sign: string): string {
  if (sign === '\n') return '\\n';
  if (sign === '\r') return '\\r';
  if (sign === '\t') return '\\t';
  const code = sign.charCodeAt(0);
  return code < 0x20 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
