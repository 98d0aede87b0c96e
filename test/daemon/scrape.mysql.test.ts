import { expect, it } from 'vitest';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import { valueOf } from '../support/prometheus.ts';
import { eachServer } from '../support/servers.ts';
import { cutStore, startWatchedShop } from './watched-shop.ts';

eachServer((_flavour: SqlFlavour, server: SqlAddress) => {
  it('a scrape tells what every flow did and how it is', { timeout: 180_000 }, async () => {
    const shop = await startWatchedShop(server);
    const { project, scrape, until, edit } = shop;
    const { source, store } = project;
    await store.connection.query('ALTER TABLE orders_copy ADD CONSTRAINT positive CHECK (cents >= 0)');
    await source.connection.query('INSERT INTO orders VALUES (1, 1, 1, NULL), (2, 1, -2, NULL), (3, 1, 3, NULL)');
    await until('kisflow_rows_out_total', { flow: 'plain' }, 3);
    await until('kisflow_changes_total', { flow: 'mirror' }, 3);
    await until('kisflow_changes_total', { flow: 'totals' }, 3);
    await cutStore(shop, 'totals');
    await source.connection.query('DELETE FROM orders WHERE id = 3');
    await until('kisflow_changes_total', { flow: 'totals' }, 4);
    await until('kisflow_rows_filtered_total', { flow: 'plain' }, 1);
    await source.connection.query('TRUNCATE TABLE extra');
    await until('kisflow_table_statements_total', { flow: 'plain' }, 1);
    const samples = await scrape();
    const read = (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined =>
      valueOf(samples, name, labels);
    console.log(
      (await scrape())
        .map((s) => `${s.name}${JSON.stringify(s.labels)} ${s.value}`)
        .filter((x) => !x.includes('_bucket'))
        .join('\n'),
    );
    expect(read('kisflow_rows_dead_total', { flow: 'mirror' })).toBe(1);
  });
});
