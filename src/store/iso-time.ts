/** A time as the store prints it, `2026-01-31 12:00:00.123` in UTC, as ISO 8601; null where there is none. */
export function isoOrNull(value: unknown): string | null {
  return typeof value === 'string' ? `${value.replace(' ', 'T')}Z` : null;
}
