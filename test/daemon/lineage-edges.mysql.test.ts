import { describe, expect, it } from 'vitest';
import { defineFunction } from '../../src/flow/define.ts';
import type { Change, Row } from '../../src/row/change.ts';
import { eachServer } from '../support/servers.ts';
import { commit, createTracedProject, deleted, inserted, tableOf, updated } from './traced-flow.ts';

const orders = tableOf('orders', ['id', 'customer', 'cents']);
const notes = tableOf('notes', ['id', 'note']);
const row = (id: number | string, cents: number): Row => ({ id, customer: 1, cents });
const copyTable = 'CREATE TABLE copy (id BIGINT PRIMARY KEY, customer INT, cents INT, note VARCHAR(20))';

function conn(name: string, key: string, params = ''): string {
  return `---\nkistype: conn\ncname: ${name}\ntype: mysql\naddrs: store\nkey: ${key}\nparams: {${params}}\n`;
}

function saveFlow(flow: string, table: string, more: { readonly lineage?: boolean; readonly option?: string } = {}): string {
  const { lineage = true, option = '' } = more;
  return `kistype: flow\nflow_name: ${flow}\nlineage: ${lineage}\nsource: {name: main, tables: [shop.${table}], rows: change, start: latest}\nflows: [{fname: save_${flow}}]\n---\nkistype: func\nfname: save_${flow}\nfmode: Save\noption: {cname: conn_${flow}${option}}\n`;
}

eachServer((_flavour, server) => {
  describe('lineage', () => {
    it('costs no statement where it is off, and one more to write with one to go on where it is on', async () => {
      const conf = saveFlow('f', 'orders', { lineage: false }) + conn('conn_f', 'copy');
      const { open, edit, store } = await createTracedProject(server, { conf, tables: [copyTable] });
      const off = await open('f');
      await off.run(commit(110, [inserted(orders, row(1, 1))]));
      await off.run(commit(120, [inserted(orders, row(2, 1))]));
      expect(off.sent.filter((sql) => sql.includes('kis_lineage'))).toEqual([]);
      await store.query('DELETE FROM kis_lease');
      edit('lineage: false', 'lineage: true');
      const on = await open('f');
      await on.run(commit(130, [inserted(orders, row(3, 1))]));
      const before = on.sent.length;
      await on.run(commit(140, [inserted(orders, row(4, 1))]));
      const own = on.sent.slice(before).filter((sql) => sql.includes('kis_lineage'));
      expect(own.map((sql) => sql.slice(0, 26))).toEqual(['UPDATE kis_lineage_flow SE', 'INSERT INTO kis_lineage (r']);
    });

    it('says of two flows with fields of their own which wrote which; when one deletes the row, that goes for both', async () => {
      const conf = `${saveFlow('sums', 'orders')}---\n${saveFlow('texts', 'notes')}${conn('conn_sums', 'copy', "columns: 'id_, customer, cents'")}${conn('conn_texts', 'copy', 'columns: note')}`;
      const { open, inspect } = await createTracedProject(server, { conf, tables: [copyTable] });
      const sums = await open('sums');
      const texts = await open('texts');
      await sums.run(commit(110, [inserted(orders, row(1, 1))]));
      await texts.run(commit(121, [inserted(notes, { id: 1, note: 'a' })]));
      expect((await inspect('copy', '1')).fields).toMatchObject({
        cents: 'save_sums change shop.orders 110 00:00:50',
        note: 'save_texts change shop.notes 121 00:00:01',
      });
      await sums.run(commit(130, [deleted(orders, row(1, 1))]), commit(140, [inserted(orders, row(1, 2))]));
      expect((await inspect('copy', '1')).fields).toMatchObject({
        cents: 'save_sums change shop.orders 140 00:00:20',
        note: expect.stringMatching(/^not traced/),
      });
    });

    it('rows written while it was off, or before it was on, are said not to be traced', async () => {
      const conf = saveFlow('f', 'orders') + conn('conn_f', 'copy');
      const { open, inspect, edit, store } = await createTracedProject(server, { conf, tables: [copyTable] });
      await store.query('INSERT INTO copy (id, cents) VALUES (9, 9)');
      await (await open('f')).run(commit(110, [inserted(orders, row(1, 1), row(2, 1))]));
      expect((await inspect('copy', '9')).fields['cents']).toMatch(/^not traced: written before lineage was on \(20.*\)/);
      const again = async (from: string, to: string): Promise<Awaited<ReturnType<typeof open>>> => {
        edit(from, to);
        await store.query('DELETE FROM kis_lease');
        return open('f');
      };
      await (await again('lineage: true', 'lineage: false')).run(commit(120, [updated(orders, row(1, 1), row(1, 2))]));
      expect((await inspect('copy', '1')).notes).toEqual([
        'flow f keeps no lineage any more: what it has written since is not traced',
      ]);
      await (await again('lineage: false', 'lineage: true')).run(commit(130, [updated(orders, row(2, 1), row(2, 2))]));
      expect((await inspect('copy', '1')).fields['cents']).toMatch(/^not traced: written before lineage was on/);
      expect((await inspect('copy', '2')).fields['cents']).toBe('save_f change shop.orders 130 00:00:10');
      // a daemon that begins again goes on with it
      await (await again('', '')).run(commit(140, [inserted(orders, row(3, 1))]));
      expect((await inspect('copy', '2')).fields['cents']).toBe('save_f change shop.orders 130 00:00:10');
    });

    it('L1: rolls back with its batch, and is written when the batch is done again', async () => {
      const conf = saveFlow('f', 'orders') + conn('conn_f', 'copy');
      const keep = defineFunction({
        name: 'save_f',
        async run(context, rows: readonly Row[]) {
          context.state.set('n', rows.length);
          await context.getConnector().save(rows);
        },
      });
      const { open, inspect, store } = await createTracedProject(server, { conf, tables: [copyTable], functions: [keep] });
      const { run, sent, runner } = await open('f');
      await store.query('RENAME TABLE kis_state TO away'); // the batch fails behind its lineage
      await expect(run(commit(110, [inserted(orders, row(1, 1))]))).rejects.toMatchObject({ class: 'stop' });
      expect(sent.some((sql) => sql.startsWith('INSERT INTO kis_lineage ('))).toBe(true);
      expect((await store.query('SELECT * FROM kis_lineage')).rows).toEqual([]);
      expect((await store.query('SELECT * FROM kis_lineage_flow')).rows).toEqual([]);
      runner.destroy();
      await store.query('RENAME TABLE away TO kis_state');
      await store.query('DELETE FROM kis_lease');
      await (await open('f')).run(commit(110, [inserted(orders, row(1, 1))]));
      expect((await inspect('copy', '1')).fields['cents']).toBe('save_f change shop.orders 110 00:00:50');
    });

    it('a dead row has no lineage, and when it is retried that of its own change', async () => {
      const conf = saveFlow('f', 'orders') + conn('conn_f', 'copy');
      const { open, inspect, store } = await createTracedProject(server, {
        conf,
        tables: [copyTable.replace('cents INT', 'cents TINYINT')],
      });
      const { run, runner } = await open('f');
      await run(commit(110, [inserted(orders, row(1, 1000))]), commit(121, [inserted(orders, row(2, 1))]));
      expect((await store.query('SELECT row_key FROM kis_lineage')).rows.map((one) => String(one['row_key']))).toEqual(['2']);
      await run(commit(130, [inserted(orders, row(3, 1))]));
      await store.query('ALTER TABLE copy MODIFY cents INT');
      await store.query("UPDATE kis_dead_row SET wish = 'retry'");
      runner.parked.noteWishes();
      await runner.parked.round();
      expect((await inspect('copy', '1')).fields['cents']).toBe('save_f change shop.orders 110 00:00:50');
      expect((await inspect('copy', '3')).fields['cents']).toBe('save_f change shop.orders 130 00:00:10');
    });

    it('a row that a snapshot read is said to be read by its run, and no change; also where it was dead meanwhile', async () => {
      const byKey = defineFunction({
        name: 'save_g',
        run: (context, rows: readonly Change[]) =>
          context.getConnector().save(rows.map(({ after }) => ({ id: after?.['id'] ?? null, cents: 1 }))),
      });
      const ofAll = defineFunction({
        name: 'save_h',
        run: (context, rows: readonly Change[]) => context.getConnector().save([{ customer: 1, cents: rows.length }]),
      });
      const flows = ['f', 'g', 'h'].map((name) => saveFlow(name, 'orders')).join('---\n');
      const { open, inspect, print, store } = await createTracedProject(server, {
        conf: flows + conn('conn_f', 'copy') + conn('conn_g', 'made') + conn('conn_h', 'sums'),
        tables: [
          copyTable.replace('cents INT', 'cents TINYINT'),
          copyTable.replace('copy', 'made'),
          'CREATE TABLE sums (customer INT PRIMARY KEY, cents INT)',
        ],
        functions: [byKey, ofAll],
      });
      const { run, read, runner } = await open('f');
      await run(commit(110, [inserted(orders, row(1, 1), row(2, 1), row(3, 1))]));
      const id = await read(orders, row(1, 2), row(2, 1000), row(3, 2));
      const traced = `save_f change shop.orders 110 run ${id} 12:00:00`;
      expect((await inspect('copy', '1')).fields['cents']).toBe(traced);
      expect((await inspect('copy', '2')).fields['cents']).toBe('save_f change shop.orders 110 00:00:50');
      expect(await print('copy', '3')).toMatch(
        new RegExp(
          `^cents .* shop\\.orders read by snapshot run ${id} at 2026-01-01T12:00:00\\.000Z, stream at binlog\\.000001:110 +-$`,
          'm',
        ),
      );
      await store.query('ALTER TABLE copy MODIFY cents INT');
      await store.query("UPDATE kis_dead_row SET wish = 'retry'");
      runner.parked.noteWishes();
      await runner.parked.round();
      expect((await inspect('copy', '2')).fields['cents']).toBe(traced);
      await run(commit(121, [updated(orders, row(1, 2), row(1, 3))]));
      expect((await inspect('copy', '1')).fields['cents']).toBe('save_f change shop.orders 121 00:00:01');

      const made = await (await open('g')).read(orders, row(1, 2), row(2, 2));
      expect(await print('made', '2')).toMatch(
        new RegExp(`shop\\.orders read by snapshot run ${made} at .*, stream at binlog\\.000001:100 \\(by key\\)`),
      );
      const summed = await (await open('h')).read(orders, row(1, 2), row(2, 2));
      expect(await print('sums', '1')).toContain(`one of a chunk of shop.orders read by snapshot run ${summed} at 2026-`);
    });

    it('a change that waits until its row is read is taken for nothing', async () => {
      const conf = saveFlow('f', 'orders') + conn('conn_f', 'copy');
      const { open, inspect } = await createTracedProject(server, { conf, tables: [copyTable] });
      const { runUnread } = await open('f');
      await runUnread(
        [0, 2],
        commit(110, [inserted(orders, row(7, 1), row(1, 1))]),
        commit(121, [inserted(orders, row(8, 1), row(2, 1))]),
      );
      expect((await inspect('copy', '1')).fields['cents']).toBe('save_f change shop.orders 110 00:00:50');
      expect((await inspect('copy', '2')).fields['cents']).toBe('save_f change shop.orders 121 00:00:01');
    });

    it('what a try of a function wrote and undid is not kept, nor an update of a row that is not there', async () => {
      let tries = 0;
      const again = defineFunction({
        name: 'save_f',
        async run(context, rows: readonly Row[]) {
          tries += 1;
          await context.getConnector().save(tries === 1 ? [{ id: 7, cents: 7 }] : rows);
          if (tries === 1) throw new Error('once');
        },
      });
      const conf = `${saveFlow('f', 'orders', { option: ', retry_times: 1, return_duration: 1' })}---\n${saveFlow('g', 'notes')}${conn('conn_f', 'copy', "columns: 'id_, customer, cents'")}${conn('conn_g', 'copy', 'mode: update, columns: note')}`;
      const { open, store } = await createTracedProject(server, { conf, tables: [copyTable], functions: [again] });
      await (await open('f')).run(commit(110, [inserted(orders, row(1, 1))]));
      await (await open('g')).run(commit(120, [inserted(notes, { id: 1, note: 'a' }, { id: 8, note: 'b' })]));
      const { rows } = await store.query(
        'SELECT row_key, fname FROM kis_lineage JOIN kis_lineage_writer USING (writer) ORDER BY fname',
      );
      expect(rows.map((one) => `${String(one['row_key'])} ${String(one['fname'])}`)).toEqual(['1 save_f', '1 save_g']);
    });

    it('a key under another notation that only the store can compare makes older traces say so', async () => {
      const words =
        'CREATE TABLE words (id VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, customer INT, cents INT)';
      const conf = saveFlow('f', 'orders') + conn('conn_f', 'words');
      const { open, inspect } = await createTracedProject(server, { conf, tables: [words] });
      const { run } = await open('f');
      await run(commit(110, [inserted(orders, row('Apple', 1))]));
      await run(commit(121, [inserted(orders, row('APPLE', 2))]));
      expect(await inspect('words', 'apple')).toMatchObject({
        fields: { cents: 'save_f change shop.orders 121 00:00:01' },
        notes: [],
      });
      await run(commit(130, [inserted(orders, row('Äpple', 3))]));
      const { fields, notes: said } = await inspect('words', 'apple');
      expect(fields['cents']).toBe('save_f change shop.orders 121 00:00:01');
      expect(said).toEqual([
        expect.stringMatching(/^keys that only the store can compare were written up to binlog\.000001:130: /),
      ]);
    });
  });
});
