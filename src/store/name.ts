/** A name as SQL takes it: in backticks, backticks doubled. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
