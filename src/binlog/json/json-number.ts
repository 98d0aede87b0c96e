/**
 * A double as MySQL prints it in JSON: my_gcvt (strings/dtoa.cc) with its full width, which gives the fewest digits that are read
 * back as the same double, as JavaScript does. With D digits before the point (0 or less for 0.…; -1 for 0.0…) it takes the fixed
 * format when D >= -14 and either D <= 15 or there are digits behind the point, and else the scientific one, without `+` and
 * without leading zeros. A whole number in the fixed format gets `.0` behind it (wrapper_to_string in sql-common/json_dom.cc).
 */
export function doubleText(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (Number.isInteger(value)) return size < 1e15 ? `${value}.0` : scientific(value);
  if (size >= 1e-6) return String(value);
  return size >= 1e-15 ? fixedSmall(value) : scientific(value);
}

function scientific(value: number): string {
  return value.toExponential().replace('+', '');
}

/** 1.5e-7 as 0.00000015, which JavaScript prints only down to 1e-6. */
function fixedSmall(value: number): string {
  const [digits = '', exponent = ''] = Math.abs(value).toExponential().split('e');
  return `${value < 0 ? '-' : ''}0.${'0'.repeat(-Number(exponent) - 1)}${digits.replace('.', '')}`;
}
