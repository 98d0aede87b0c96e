/** Whether a bit is set, the lowest of the first byte first. */
export function hasBit(bits: Buffer, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}
