import type { ResultSetHeader } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { watchFlows } from '../../src/cli/run/watching.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { readPage } from '../support/documents.ts';
import { missingFrom, monitoringQueries } from '../support/monitoring.ts';
import { valueOf, type Sample } from '../support/prometheus.ts';
import { eachServer } from '../support/servers.ts';
import type { ShopProject } from '../support/shop-project.ts';
import { cutStore, startWatchedShop } from './watched-shop.ts';

/** Names of the metrics page. */
function documented(): ReadonlySet<string> {
  return new Set([...readPage('docs/monitoring/README.md').matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name));
}

/** The metric that a sample is of: a histogram has three kinds of them. */
function metricOf(name: string, known: ReadonlySet<string>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return known.has(base) ? base : name;
}

const flowsOf = (samples: readonly Sample[]): ReadonlySet<string | undefined> =>
  new Set(samples.filter(({ name }) => name.startsWith('kisflow_')).map(({ labels }) => labels['flow']));

eachServer((_flavour, server: SqlAddress) => {
  it(
    'L12 a scrape tells what every flow did and how it is, and has all that alerts and dashboard name',
    { timeout: 240_000 },
    async () => {
      const shop = await startWatchedShop(server);
      const { project, scrape, until, edit, daemon } = shop;
      const { source, store } = project;
      await store.connection.query('ALTER TABLE orders_copy ADD CONSTRAINT positive CHECK (cents >= 0)');
      await writeVerify(project);
      await source.connection.query('INSERT INTO orders VALUES (1, 1, 1, NULL), (2, 1, -2, NULL), (3, 1, 3, NULL)');
      for (const flow of ['mirror', 'totals', 'plain']) await until('kisflow_changes_total', { flow }, 3);
      await cutStore(shop, 'totals');
      await source.connection.query('UPDATE orders SET cents = 20 WHERE id = 2');
      await source.connection.query('DELETE FROM orders WHERE id = 3');
      for (const flow of ['mirror', 'totals', 'plain']) await until('kisflow_changes_total', { flow }, 5);
      await source.connection.query('TRUNCATE TABLE extra');
      await until('kisflow_table_statements_total', { flow: 'plain', op: 'truncate', outcome: 'ignored' }, 1);
      await edit((conf) => conf.replace('flow_name: plain', 'flow_name: plain\nno_such_key: 1'));
      await until('kisflow_reload_refused', {}, 1);
      await until('kisflow_freshness_seconds', { flow: 'mirror' }, (seconds) => seconds < 30);
      await until('kisflow_kept_rows', { flow: 'mirror' }, 2); // looked at from time to time

      let samples = await scrape();
      const read = (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined =>
        valueOf(samples, name, labels);
      const sums = (name: string): readonly (number | undefined)[] =>
        ['mirror', 'totals', 'plain'].map((flow) => read(name, { flow }));
      expect(sums('kisflow_rows_dead_total')).toEqual([1, 0, 0]);
      expect(sums('kisflow_rows_parked_total')).toEqual([1, 0, 0]); // the update of the dead row
      expect(sums('kisflow_rows_filtered_total')).toEqual([0, 0, 1]);
      expect(sums('kisflow_rows_in_total')).toEqual([3, 5, 4]);
      expect(sums('kisflow_rows_out_total')).toEqual([3, 5, 4]);
      expect(sums('kisflow_batch_changes_sum')).toEqual([5, 5, 5]);
      expect(sums('kisflow_batches_total')).toEqual(sums('kisflow_batch_duration_seconds_count'));
      expect(sums('kisflow_kept_rows')).toEqual([2, 0, 0]);
      expect(read('kisflow_retries_total', { flow: 'totals', code: 'STORE_UNREACHABLE' })).toBeGreaterThanOrEqual(1);
      expect(read('kisflow_function_retries_total', { flow: 'plain', function: 'Pass' })).toBe(1);
      for (const phase of ['statements', 'commit']) {
        expect(read('kisflow_store_duration_seconds_sum', { flow: 'mirror', phase })).toBeGreaterThan(0);
      }
      expect(read('kisflow_function_duration_seconds_sum', { flow: 'plain', function: 'SavePlain' })).toBeGreaterThan(0);
      expect(sums('kisflow_reader_connected')).toEqual([1, 1, 1]);
      expect(sums('kisflow_lease_held')).toEqual([1, 1, 1]);
      expect([read('kisflow_store_up'), read('kisflow_source_up', { source: 'main' })]).toEqual([1, 1]);
      expect(read('kisflow_reloads_total', { result: 'refused' })).toBe(1);
      expect(sums('kisflow_verify_differences')).toEqual([undefined, undefined, 6]);
      expect(sums('kisflow_verify_every_seconds')).toEqual([undefined, undefined, 3600]);
      expect(read('kisflow_verify_last_success_timestamp_seconds', { flow: 'plain' })).toBe(Date.UTC(2026, 0, 2, 3, 4, 5) / 1000);
      expect(read('kisflow_verify_scheduled_timestamp_seconds', { flow: 'plain' })).toBe(Date.UTC(2037, 0, 1) / 1000);

      await source.connection.query('TRUNCATE TABLE orders');
      for (const flow of ['mirror', 'totals']) await until('kisflow_flow_state', { flow, state: 'failed' }, 1);
      samples = await scrape();
      expect(read('kisflow_errors_total', { flow: 'mirror', code: 'SOURCE_TABLE_EMPTIED' })).toBe(1);
      expect(read('kisflow_flow_state', { flow: 'mirror', state: 'running' })).toBe(0);
      expect(missingFrom(samples, monitoringQueries())).toEqual([]);
      const known = documented();
      expect([...new Set(samples.map(({ name }) => metricOf(name, known)))].filter((name) => !known.has(name))).toEqual([]);

      await edit((conf) => conf.replace('\nno_such_key: 1', '\nstatus: 0'));
      await until('kisflow_reload_refused', {}, 0);
      expect(flowsOf(await scrape())).toEqual(new Set(['mirror', 'totals', undefined]));
      daemon.kill();
      expect((await daemon.waitForExit()).code).toBe(1); // two flows have failed
    },
  );
});

/** What an earlier daemon has found of a flow that is to be verified in many years again. */
async function writeVerify({ store: { connection } }: ShopProject): Promise<void> {
  const [{ insertId }] = await connection.query<ResultSetHeader>(
    "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at, ended_at) VALUES ('plain', 'verify', 'done', '{}', '2026-01-02', '2026-01-02', '2026-01-02 03:04:05')",
  );
  await connection.query(
    `INSERT INTO kis_verify (run, flow, position, held_ms, row_count, missing, extra, different, excused, compared_at)
     VALUES (?, 'plain', 'b.1:4', 1, 9, 1, 2, 3, 4, '2026-01-02')`,
    [insertId],
  );
  await connection.query(
    "INSERT INTO kis_verify_schedule (flow, every_ms, options, since) VALUES ('plain', 3600000, '{}', '2037-01-01')",
  );
}

it('where nobody asks for metrics or traces nothing is measured', async () => {
  const watching = await watchFlows(undefined, { env: {}, logger: silentLogger });
  expect(watching).toMatchObject({ observer: undefined, metrics: undefined });
  expect(watching.runFlow).toBe(runFlow);
});
