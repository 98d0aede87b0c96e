import { describe, expect, it } from 'vitest';
import { defineFunction } from '../../src/flow/define.ts';
import type { Row } from '../../src/row/change.ts';
import { eachServer } from '../support/servers.ts';
import { commit, createTracedProject, deleted, inserted, tableOf, updated } from './traced-flow.ts';

const orders = tableOf('orders', ['id', 'customer', 'cents', 'note']);
const customers = tableOf('customers', ['id', 'name']);

function save(fname: string, key: string, params = ''): string {
  return `---\nkistype: func\nfname: ${fname}\nfmode: Save\noption: {cname: ${fname}}\n---\nkistype: conn\ncname: ${fname}\ntype: mysql\naddrs: store\nkey: ${key}\nparams: {${params}}\n`;
}

function flow(
  name: string,
  more: { readonly steps: string; readonly rows?: string; readonly with?: string; readonly source?: string },
): string {
  const { steps, rows = 'change', source = '' } = more;
  return `kistype: flow\nflow_name: ${name}\n${more.with ?? 'lineage: true'}\nsource: {name: main, tables: [shop.orders, shop.customers], rows: ${rows}, start: latest${source}}\nflows: [${steps}]\n`;
}

const copyTable = 'CREATE TABLE copy (id BIGINT PRIMARY KEY, customer INT, cents INT, note VARCHAR(20))';
const mirror = { conf: flow('mirror', { steps: '{fname: Copy}' }) + save('Copy', 'copy'), tables: [copyTable] };
const row = (id: number, cents: number, customer = 1): Row => ({ id, customer, cents, note: null });

eachServer((_flavour, server) => {
  describe('lineage of rows that a flow saves as they come', () => {
    it('names the change that wrote last, also where a batch writes a row twice; a later one takes its place', async () => {
      const { open, inspect, print } = await createTracedProject(server, mirror);
      const { run } = await open('mirror');
      await run(commit(110, [inserted(orders, row(1, 5), row(2, 6))]), commit(120, [updated(orders, row(1, 5), row(1, 7))]));
      const once = 'Copy change shop.orders 120 00:00:00';
      expect(await inspect('copy', '1')).toEqual({ fields: { id: once, customer: once, cents: once, note: once }, notes: [] });
      expect((await inspect('copy', '2')).fields['cents']).toBe('Copy change shop.orders 110 00:00:50');
      await run(commit(131, [updated(orders, row(1, 7), row(1, 8))]));
      expect((await inspect('copy', '1')).fields['cents']).toBe('Copy change shop.orders 131 00:00:11');
      expect(await print('copy', '1')).toMatch(
        /^cents +8 +mirror +Copy +shop\.orders at binlog\.000001:131 +2026-01-01T00:00:11\.000Z$/m,
      );
    });

    it('goes with its row, moves with its key, and is emptied with its table', async () => {
      const source = ', on_truncate: apply';
      const conf = flow('mirror', { steps: '{fname: Copy}', source }).replace(', shop.customers', '') + save('Copy', 'copy');
      const { open, inspect, store } = await createTracedProject(server, { ...mirror, conf });
      const { run } = await open('mirror');
      await run(commit(110, [inserted(orders, row(1, 5), row(2, 6), row(3, 7))]));
      await run(commit(120, [deleted(orders, row(1, 5)), updated(orders, row(2, 6), row(4, 6))]));
      const kept = async (): Promise<unknown[]> =>
        (await store.query('SELECT row_key FROM kis_lineage ORDER BY row_key')).rows.map((one) => String(one['row_key']));
      expect(await kept()).toEqual(['3', '4']);
      expect((await inspect('copy', '4')).fields['cents']).toMatch(/ 120 /);
      const truncate = {
        op: 'truncate',
        schema: 'shop',
        table: 'orders',
        statement: 'TRUNCATE orders',
        position: 'binlog.000001:120',
      } as const;
      await run(commit(130, [inserted(orders, row(9, 1))], [truncate]));
      expect(await kept()).toEqual(['9']);
    });

    it('rows of plain shape and of the operators filter, map and project keep their change', async () => {
      const steps = '{fname: Keep}, {fname: Twice}, {fname: Slim}, {fname: Copy}';
      const operators =
        '---\nkistype: func\nfname: Keep\nfmode: Calculate\noperator: filter\nwith: {where: cents > 1}\n' +
        '---\nkistype: func\nfname: Twice\nfmode: Calculate\noperator: map\nwith: {set: {cents: cents * 2}}\n' +
        '---\nkistype: func\nfname: Slim\nfmode: Calculate\noperator: project\nwith: {drop: [note]}\n';
      const conf = flow('mirror', { steps, rows: 'after' }) + operators + save('Copy', 'copy');
      const { open, inspect, store } = await createTracedProject(server, { ...mirror, conf });
      const { run } = await open('mirror');
      await run(
        commit(110, [inserted(orders, row(1, 5)), deleted(orders, row(7, 7))]),
        commit(121, [inserted(orders, row(2, 1), row(3, 4))]),
      );
      expect((await store.query('SELECT id, cents FROM copy ORDER BY id')).rows).toEqual([{ id: 1, cents: 10 }, { id: 3, cents: 8 }]); // prettier-ignore
      expect((await inspect('copy', '3')).fields).toMatchObject({
        cents: 'Copy change shop.orders 121 00:00:01',
        note: expect.stringMatching(/^not traced: written before lineage was on \(20/),
      });
    });
  });

  describe('lineage of what functions compute', () => {
    const totals = 'CREATE TABLE totals (customer INT PRIMARY KEY, cents INT, seen INT)';

    it('a function’s own row is known by its key where that is the source’s, else only by its batch', async () => {
      const price = defineFunction({
        name: 'Price',
        run: (context, rows: readonly Row[]) =>
          rows.forEach((one) => context.commitRow({ id: one['id'], cents: Number(one['cents']) + 1 })),
      });
      const sum = defineFunction({
        name: 'Sum',
        run: (context, rows: readonly Row[]) =>
          rows.forEach((one) => context.commitRow({ customer: one['customer'], cents: one['cents'] })),
      });
      const conf =
        `${flow('price', { steps: '{fname: Price}, {fname: Copy}', rows: 'after' })}---\n` +
        flow('sum', { steps: '{fname: Sum}, {fname: Total}', rows: 'after' }) +
        '---\nkistype: func\nfname: Price\nfmode: Calculate\n---\nkistype: func\nfname: Sum\nfmode: Calculate\n' +
        save('Copy', 'copy') +
        save('Total', 'totals');
      const project = await createTracedProject(server, { conf, tables: [copyTable, totals], functions: [price, sum] });
      const parts = [commit(110, [inserted(orders, row(1, 5))]), commit(121, [inserted(orders, row(2, 6)), inserted(customers, { id: 2, name: 'x' })])]; // prettier-ignore
      await (await project.open('price')).run(...parts.slice(0, 1));
      expect((await project.inspect('copy', '1')).fields['cents']).toBe('Copy key shop.orders 110 00:00:50');
      await (await project.open('sum')).run(...parts.slice(0, 1), commit(125, [inserted(orders, row(3, 1))]));
      expect((await project.inspect('totals', '1')).fields['cents']).toBe('Total batch shop.orders 100-125 00:00:05');
      expect(await project.print('totals', '1')).toContain(
        'one of shop.orders in the batch binlog.000001:100 to binlog.000001:125',
      );
    });

    it('a key that rows of two source tables have is not taken for either', async () => {
      const same = defineFunction({
        name: 'Same',
        run: (context, rows: readonly Row[]) => rows.forEach((one) => context.commitRow({ id: one['id'], cents: 1 })),
      });
      const conf = flow('same', { steps: '{fname: Same}, {fname: Copy}', rows: 'after' }) + '---\nkistype: func\nfname: Same\nfmode: Calculate\n' + save('Copy', 'copy'); // prettier-ignore
      const project = await createTracedProject(server, { conf, tables: [copyTable], functions: [same] });
      await (await project.open('same')).run(commit(110, [inserted(orders, row(1, 5)), inserted(customers, { id: 1, name: 'x' })]));
      expect((await project.inspect('copy', '1')).fields['cents']).toBe('Copy batch null 100-110 00:00:50');
    });

    it('an aggregate’s group names the change that moved it last, not one that moved nothing; a group that is gone leaves nothing', async () => {
      const conf =
        flow('totals', { steps: '{fname: Total}' }).replace(', shop.customers', '') +
        '---\nkistype: func\nfname: Total\nfmode: Save\noption: {cname: totals}\noperator: aggregate\nwith: {key: {customer: customer}, fields: {cents: sum(cents), seen: count()}}\n' +
        '---\nkistype: conn\ncname: totals\ntype: mysql\naddrs: store\nkey: totals\n';
      const { open, inspect, store } = await createTracedProject(server, { conf, tables: [totals] });
      const { run, sent } = await open('totals');
      await run(commit(110, [inserted(orders, row(1, 5), row(2, 6, 2))]), commit(121, [inserted(orders, row(3, 1))]));
      await run(commit(130, [updated(orders, row(2, 6, 2), row(2, 8, 2))]), commit(140, [updated(orders, row(2, 8, 2), { ...row(2, 8, 2), note: 'x' })])); // prettier-ignore
      expect(await traceOf('2')).toBe('Total change shop.orders 130 00:00:10');
      expect(await traceOf('1')).toBe('Total change shop.orders 121 00:00:01');
      expect(sent.some((sql) => sql.includes("'sql'"))).toBe(false);
      await run(commit(150, [deleted(orders, row(2, 8, 2)), deleted(orders, row(3, 1))]));
      expect((await store.query('SELECT row_key FROM kis_lineage')).rows.map((one) => String(one['row_key']))).toEqual(['1']);
      expect(await traceOf('1')).toBe('Total change shop.orders 150 00:00:30');

      async function traceOf(key: string): Promise<string | undefined> {
        return (await inspect('totals', key)).fields['cents'];
      }
    });

    it('SQL of a function’s own is said to be not traced, of the table; a question is none', async () => {
      const run = async (context: Parameters<Parameters<typeof defineFunction>[0]['run']>[0]): Promise<void> => {
        await context.getConnector().query('SELECT 1');
        await context.getConnector().query('INSERT INTO totals (customer, cents) VALUES (1, 2) ON DUPLICATE KEY UPDATE cents = 3');
      };
      const byHand = defineFunction({ name: 'ByHand', run });
      const conf = flow('hand', { steps: '{fname: ByHand}' }) + save('ByHand', 'totals');
      const project = await createTracedProject(server, { conf, tables: [totals], functions: [byHand] });
      await (await project.open('hand')).run(commit(110, [inserted(orders, row(1, 5))]));
      const { fields, notes } = await project.inspect('totals', '1');
      expect(fields['cents']).toMatch(/^not traced: .* or by ByHand with its own SQL$/);
      expect(notes).toEqual(['written by ByHand of flow hand with its own SQL, not traced']);
    });
  });
});
