/** One statement of a file, as the server gets it, and the line on which it begins (from 1). */
export interface SqlStatement {
  readonly sql: string;
  readonly line: number;
}

/**
 * Where no delimiter can stand: comments (conditional ones too), strings, quoted names. An unfinished one reaches to the end of
 * the file, and the server will say so.
 */
const opaque =
  /(?<comment>\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$)|--(?=\s|$)[^\n]*|#[^\n]*)|(?<quoted>'(?:[^'\\]+|\\[^]|'')*(?:'|$)|"(?:[^"\\]+|\\[^]|"")*(?:"|$)|`[^`]*(?:`|$))/y;
const delimiterCommand = /[ \t]*DELIMITER[ \t]+(\S+)[^\n]*/iy;

/**
 * Splits a file at its delimiters: `;`, or what the last `DELIMITER` line says, as the mysql client does it. Comments before a
 * statement are left out, those inside it stay.
 */
export function splitStatements(text: string): readonly SqlStatement[] {
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const statements: SqlStatement[] = [];
  let delimiter = ';';
  let begin = -1; // of the statement at hand; -1 between statements
  let line = 1;
  let beginLine = 1;
  let at = 0;
  const advance = (to: number): void => {
    for (let i = source.indexOf('\n', at); i !== -1 && i < to; i = source.indexOf('\n', i + 1)) line += 1;
    at = to;
  };
  const start = (): void => {
    if (begin !== -1) return;
    begin = at;
    beginLine = line;
  };
  const finish = (): void => {
    if (begin !== -1) statements.push({ sql: source.slice(begin, at).trimEnd(), line: beginLine });
    begin = -1;
  };
  while (at < source.length) {
    if (begin === -1 && (at === 0 || source[at - 1] === '\n')) {
      const command = matchAt(delimiterCommand, source, at);
      if (command !== null) {
        delimiter = command[1] ?? ';';
        advance(at + command[0].length);
        continue;
      }
    }
    if (source.startsWith(delimiter, at)) {
      finish();
      advance(at + delimiter.length);
      continue;
    }
    const span = matchAt(opaque, source, at);
    const isRemark = span?.groups?.['comment'] !== undefined && !/^\/\*M?!/.test(span[0]);
    if (!isRemark && (span !== null || /\S/.test(source[at] ?? ''))) start();
    advance(at + (span === null ? 1 : Math.max(1, span[0].length)));
  }
  finish();
  return statements;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
