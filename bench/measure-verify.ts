import { CompareLink } from '../src/repair/compare-link.ts';
import { compareTable } from '../src/repair/compare-table.ts';
import { describeCompared } from '../src/repair/compared-table.ts';
import { parseStoreUrl } from '../src/store/url.ts';
import type { Bench } from './bench.ts';
import { compare, seriesOf, type Figure } from './figure.ts';

const database = 'bench_verify';

/** Two equal tables of the store, compared, which is the server's work nearly alone; CHECKSUM TABLE of both reads as much, and can tell nothing of rows. */
export async function measureVerify({ pair, options, log }: Bench): Promise<readonly Figure[]> {
  const link = pair.storeLink;
  const rows = Math.min(options.rows, 1_000_000);
  for (const name of [database, `${database}_anew`]) {
    await link.query(`DROP DATABASE IF EXISTS ${name}`);
    await link.query(`CREATE DATABASE ${name}`);
  }
  await link.query(
    `CREATE TABLE ${database}.t (id INT PRIMARY KEY, customer INT, cents DECIMAL(12,2), at DATETIME(3), note VARCHAR(80), score DOUBLE)`,
  );
  await fill(link, rows);
  await link.query(`CREATE TABLE ${database}_anew.t LIKE ${database}.t`);
  await link.query(`INSERT INTO ${database}_anew.t SELECT * FROM ${database}.t`);
  const values: number[] = [];
  const sums: number[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const startedAt = performance.now();
    await link.query(`CHECKSUM TABLE ${database}.t, ${database}_anew.t EXTENDED`);
    sums.push(Math.round((rows * 1000) / (performance.now() - startedAt)));
    values.push(await compareOnce(pair.store.url, rows));
    log(`verify, round ${round}: ${values.at(-1)} rows/s, CHECKSUM TABLE of both ${sums.at(-1)} rows/s`);
  }
  for (const name of [database, `${database}_anew`]) await link.query(`DROP DATABASE ${name}`);
  const against = seriesOf('CHECKSUM TABLE of both', sums);
  return [compare({ name: 'verify, comparison', unit: 'rows/s', values, against })];
}

async function fill(link: Bench['pair']['storeLink'], rows: number): Promise<void> {
  for (let first = 0; first < rows; first += 5000) {
    const ids = Array.from({ length: Math.min(5000, rows - first) }, (_, index) => first + index);
    const some = ids.map((id) => [id, id % 1000, id / 100, '2026-01-02 03:04:05.678', `note ${id} ${'x'.repeat(id % 50)}`, id / 7]);
    await link.query(`INSERT INTO ${database}.t VALUES ?`, [some]);
  }
}

async function compareOnce(url: string, rows: number): Promise<number> {
  const { signal } = new AbortController();
  const link = await CompareLink.open({ address: parseStoreUrl(`${url}/${database}`), signal });
  try {
    const wish = {
      stored: { schema: database, name: 't' },
      recomputed: { schema: `${database}_anew`, name: 't' },
      isShared: false,
    };
    const table = await describeCompared(link.query, wish, link.flavour);
    await link.begin();
    const startedAt = performance.now();
    const found = await compareTable(link, table, { isExcused: () => false, keptMax: 10, signal });
    const seconds = (performance.now() - startedAt) / 1000;
    if (found.rows !== rows || found.ranges.length > 0)
      throw new Error(`${found.rows} rows compared, ${found.ranges.length} ranges differ`);
    return Math.round(rows / seconds);
  } finally {
    link.close();
  }
}
