/**
 * Table patterns: what a flow writes under `source.tables`.
 *
 * `db.table` names one table. With `*` (any run of characters) or `?` (one character) in either half it is a wildcard:
 * `shop.*`, `shop_*.order_?`. Matching is exact-case, as the names stand in the binlog.
 */

/** One parsed pattern. */
export interface TablePattern {
  /** As written, without surrounding blanks. */
  readonly text: string;
  readonly schema: string;
  readonly table: string;
  /** Whether it names exactly one table: no `*` and no `?`. */
  readonly isExplicit: boolean;
}

/** Schemas of the server itself; a wildcard in the schema half never reaches them. */
const systemSchemas: ReadonlySet<string> = new Set(['mysql', 'information_schema', 'performance_schema', 'sys']);

/** Reads `db.table`; undefined when it is none: both halves must be there, with one dot between (a dot in a name is written `?`). */
export function parseTablePattern(text: string): TablePattern | undefined {
  const trimmed = text.trim();
  const [schema = '', table = '', ...more] = trimmed.split('.');
  if (schema === '' || table === '' || more.length > 0) return undefined;
  return { text: trimmed, schema, table, isExplicit: !hasWildcard(trimmed) };
}

/** The tables that are named in full; texts that are no pattern are passed over. */
export function tablesNamedIn(patterns: readonly string[]): readonly { readonly schema: string; readonly name: string }[] {
  const parsed = patterns.flatMap((text) => parseTablePattern(text) ?? []);
  return parsed.filter(({ isExplicit }) => isExplicit).map(({ schema, table }) => ({ schema, name: table }));
}

/**
 * Whether the pattern takes in the table `schema.table`. What is reserved (a computed table, one of kisflow's own) is not
 * asked here: see `createRouter`.
 */
export function matchesTable(pattern: TablePattern, schema: string, table: string): boolean {
  if (pattern.isExplicit) return pattern.schema === schema && pattern.table === table;
  if (hasWildcard(pattern.schema) && systemSchemas.has(schema)) return false;
  return matchesGlob(pattern.schema, schema) && matchesGlob(pattern.table, table);
}

/**
 * Whether `text` fits the glob. Two cursors and one place to return to: the last `*` takes one character more whenever the rest
 * does not fit, so the time is bounded by the product of the lengths, where a regular expression with many stars has no such bound.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const want = Array.from(glob);
  const have = Array.from(text);
  let wantAt = 0;
  let haveAt = 0;
  let starAt = -1;
  let retryAt = 0;
  while (haveAt < have.length) {
    const sign = want[wantAt];
    if (sign === '*') {
      starAt = wantAt;
      retryAt = haveAt;
      wantAt += 1;
    } else if (sign === '?' || sign === have[haveAt]) {
      wantAt += 1;
      haveAt += 1;
    } else if (starAt >= 0) {
      retryAt += 1;
      haveAt = retryAt;
      wantAt = starAt + 1;
    } else {
      return false;
    }
  }
  return want.slice(wantAt).every((sign) => sign === '*');
}

/** Whether the pattern may take in tables of the schema. */
export function matchesSchema(pattern: TablePattern, schema: string): boolean {
  if (hasWildcard(pattern.schema) && systemSchemas.has(schema)) return false;
  return matchesGlob(pattern.schema, schema);
}

function hasWildcard(text: string): boolean {
  return text.includes('*') || text.includes('?');
}
