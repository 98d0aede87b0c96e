/**
 * A FLOAT, given as the double that it is, as the shortest number that is that FLOAT: 0.1, where its 32 bits as a double are
 * 0.10000000149011612. Six to nine digits tell all of them apart.
 */
export function shortestFloat(value: number): number {
  if (Number.isInteger(value)) return value;
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
