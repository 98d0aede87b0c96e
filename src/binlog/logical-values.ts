import type { LogicalType } from './column-type.ts';
import { padded, type MakeValue } from './text-values.ts';

/** MariaDB's UUID, INET4 and INET6 as the server prints them (plugin/type_uuid, plugin/type_inet); in the binlog they are BINARY. */
export function logicalMaker(type: LogicalType): MakeValue {
  const { size, format } = formats[type];
  const pad = padded(size);
  // padded gives a Buffer of its size.
  return (buffer, start, end) => {
    const bytes = pad(buffer, start, end);
    return bytes instanceof Uint8Array ? format(Buffer.from(bytes.buffer, bytes.byteOffset, size)) : bytes;
  };
}

const formats: Readonly<Record<LogicalType, { readonly size: number; readonly format: (bytes: Buffer) => string }>> = {
  uuid: { size: 16, format: formatUuid },
  inet4: { size: 4, format: formatInet4 },
  inet6: { size: 16, format: formatInet6 },
};

export function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function formatInet4(bytes: Buffer): string {
  return [...bytes.subarray(0, 4)].join('.');
}

/** As RFC 5952, but one zero group alone is `::` too: the longest run of zero groups, the first of equals, is; IPv4-mapped and -compatible end in an IPv4. */
function formatInet6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  const isZeroUpTo = (end: number) => groups.slice(0, end).every((group) => group === 0);
  if (isZeroUpTo(5) && groups[5] === 0xffff) return `::ffff:${formatInet4(bytes.subarray(12))}`;
  // Of ::1 and the like the first half of the IPv4 is 0.
  if (isZeroUpTo(6) && groups[6] !== 0) return `::${formatInet4(bytes.subarray(12))}`;
  const { start, length } = longestZeros(groups);
  const text = (from: number, to?: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return length < 1 ? text(0) : `${text(0, start)}::${text(start + length)}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: index - length + 1, length };
  }
  return longest;
}
