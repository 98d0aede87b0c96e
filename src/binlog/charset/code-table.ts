/**
 * Tables from a character set's codes to Unicode, written as what is not so in a set that is known already.
 *
 * A code is the number of a character's bytes: 0x41, 0x8140. A correction is `81-87=410` (0x81 is U+0410, 0x82 is U+0411 …)
 * or, without the `=`, `98` or `81-87`: no characters there. All are hexadecimal.
 */

/** What a table says of a code that has no character: a lone surrogate, which no character set has. */
export const NO_CHARACTER = 0xdfff;

/** The table with the corrections made in it. Only the lower 16 bits of a code are its place. */
export function corrected(table: Uint16Array, corrections: string): Uint16Array {
  for (const correction of corrections.split(/\s+/)) {
    const [codes = '', first] = correction.split('=');
    const [from = '', to = from] = codes.split('-');
    const start = Number.parseInt(from, 16);
    const unicode = first === undefined ? undefined : Number.parseInt(first, 16);
    for (let code = start; code <= Number.parseInt(to, 16); code += 1) {
      table[code & 0xffff] = unicode === undefined ? NO_CHARACTER : unicode + code - start;
    }
  }
  return table;
}
