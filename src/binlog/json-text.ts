export function jsonText(buffer: Buffer, start: number, end: number): string {
  return buffer.toString('latin1', start, end);
}
