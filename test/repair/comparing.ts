/** Two databases of one server, of which one holds what was computed and the other what was computed anew. */
import type { Connection } from 'mysql2/promise';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { CompareLink } from '../../src/repair/compare-link.ts';
import { compareTable, type CompareOptions, type TableComparison } from '../../src/repair/compare-table.ts';
import { describeCompared, type ComparedTable, type ComparedWish } from '../../src/repair/compared-table.ts';
import { parseStoreUrl } from '../../src/store/url.ts';
import { never } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase } from '../support/servers.ts';

export interface Pair {
  /** Uses the stored database; several statements at once, and lenient. */
  readonly connection: Connection;
  readonly main: string;
  readonly shadow: string;
  readonly url: string;
  readonly link: CompareLink;
  /** Runs it in both databases. */
  readonly both: (sql: string) => Promise<void>;
  readonly inShadow: (sql: string) => Promise<void>;
  readonly describe: (name: string, wish?: Partial<ComparedWish>) => Promise<ComparedTable>;
  /** Begins a snapshot of now, and compares the table in it. */
  readonly compare: (name: string, wish?: Partial<ComparedWish>, options?: Partial<CompareOptions>) => Promise<TableComparison>;
}

export async function createPair(server: SqlAddress): Promise<Pair> {
  const { name: main, url, connection } = await createDatabase(server, 'main');
  const { name: shadow } = await createDatabase(server, 'shadow');
  await connection.query("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'");
  const link = await CompareLink.open({ address: parseStoreUrl(url), signal: never });
  onEnd(async () => link.close());
  const inShadow = async (sql: string): Promise<void> => {
    await connection.query(`USE ${shadow}`);
    await connection.query(sql);
    await connection.query(`USE ${main}`);
  };
  const describe: Pair['describe'] = async (name, wish = {}) => {
    await link.end();
    return describeCompared(
      link.query,
      { stored: { schema: main, name }, recomputed: { schema: shadow, name }, isShared: false, ...wish },
      link.flavour,
    );
  };
  return {
    connection,
    main,
    shadow,
    url,
    link,
    inShadow,
    describe,
    both: async (sql) => {
      await connection.query(sql);
      await inShadow(sql);
    },
    compare: async (name, wish, options) => {
      const table = await describe(name, wish);
      await link.begin();
      const found = await compareTable(link, table, { isExcused: () => false, keptMax: 1000, signal: never, ...options });
      await link.end();
      return found;
    },
  };
}

export const nothing = { missing: 0, extra: 0, different: 0, excused: 0 };

/** `missing 3`, `different 4: a, b`. */
export function briefly({ differences }: TableComparison): readonly string[] {
  return differences.map(({ kind, key, fields, isExcused }) => {
    const names = fields.length === 0 ? '' : `: ${fields.map(({ name }) => name).join(', ')}`;
    return `${isExcused ? 'excused ' : ''}${kind} ${key.join('/')}${names}`;
  });
}
