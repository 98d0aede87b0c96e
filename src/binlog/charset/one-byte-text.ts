/**
 * The character sets of one byte a character, as the servers' own tables have them: latin1 is neither ISO 8859-1 nor quite
 * Windows-1252, hp8 is HP Roman 8, swe7 has Swedish letters where ASCII has brackets.
 */
import { corrected, NO_CHARACTER } from './code-table.ts';
import { oneByteCorrections } from './charset-tables.ts';
import { noCharacter, roomForUnits, SHORT_BYTES, shortAscii, writeUnit, type DecodeText } from './text-bytes.ts';

/** Undefined when it is no character set of one byte. */
export function oneByteDecoder(charset: string): DecodeText | undefined {
  const corrections = oneByteCorrections[charset];
  if (corrections === undefined) return undefined;
  const table = oneByteTable(corrections);
  const hasAscii = table.subarray(0, 0x80).every((unicode, byte) => unicode === byte);
  return (buffer, start, end) => {
    if (hasAscii && end - start <= SHORT_BYTES) {
      const text = shortAscii(buffer, start, end);
      if (text !== undefined) return text;
    }
    let same = start;
    while (same < end && table[buffer[same] ?? 0] === buffer[same]) same += 1;
    if (same === end) return buffer.latin1Slice(start, end);
    const units = roomForUnits(end - start);
    let length = 0;
    for (let at = start; at < end; at += 1) {
      const unit = table[buffer[at] ?? 0] ?? NO_CHARACTER;
      if (unit === NO_CHARACTER) throw noCharacter(charset, buffer.subarray(at, at + 1));
      length = writeUnit(units, length, unit);
    }
    return units.ucs2Slice(0, length);
  };
}

/** The bytes' own numbers, corrected. */
function oneByteTable(corrections: string): Uint16Array {
  return corrected(
    Uint16Array.from({ length: 256 }, (_, byte) => byte),
    corrections,
  );
}
