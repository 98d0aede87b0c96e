export type DecodeText = (buffer: Buffer, start: number, end: number) => string;
export function charsetOf(collation: number, _flavour: 'mysql' | 'mariadb'): string | undefined {
  return collation === 8 || collation === 5 ? 'latin1' : 'utf8mb4';
}
export function decoderOfCharset(charset: string, _flavour: 'mysql' | 'mariadb'): DecodeText | undefined {
  return charset === 'latin1'
    ? (buffer, start, end) => buffer.toString('latin1', start, end)
    : (buffer, start, end) => buffer.toString('utf8', start, end);
}
