import { expect, it } from 'vitest';
import { BatchTransaction } from '../../src/checkpoint/batch-transaction.ts';
import { createCheckpoint, readCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { onEnd } from '../support/cleanup.ts';
import { connectTo, createDatabase, eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

eachServer((_flavour, server) => {
  it('L1 a transaction that lost a deadlock is not committed, though a function caught the error and wrote on', async () => {
    const { url, connection, name } = await createDatabase(server, 'lost');
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t SELECT 1, 0 UNION ALL SELECT 2, 0');
    const position = { server: 's', file: 'b.000001', offset: 4, gtid: '', rows: 0 };
    await createCheckpoint(store, { flow: 'f', position, epoch: 1 });
    const session = await store.openSession();
    const batch = new BatchTransaction({
      session,
      gate: Promise.resolve(),
      onSent: () => {},
      step: { flow: 'f', position: { ...position, offset: 99 }, time: 0, rows: 1, epoch: 1, sequence: 0 },
    });
    const other = await connectTo(server, name);
    await other.query('START TRANSACTION');
    // the one that has written less is the one that is rolled back
    await other.query(
      'INSERT INTO t SELECT seq + 10, 0 FROM (SELECT 1 AS seq UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) AS s',
    );
    await other.query('UPDATE t SET n = 1 WHERE id = 1');
    await batch.query('UPDATE t SET n = 2 WHERE id = 2');
    const blocked = other.query('UPDATE t SET n = 1 WHERE id = 2');
    await waitFor(async () => {
      const [rows] = await connection.query(
        "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE t SET n = 1 WHERE id = 2%'",
      );
      return Array.isArray(rows) && rows.length === 1;
    });
    await expect(batch.query('UPDATE t SET n = 2 WHERE id = 1')).rejects.toMatchObject({ class: 'retry' });
    await blocked;
    await other.query('COMMIT');
    await batch.query('INSERT INTO t VALUES (99, 99)');
    await expect(batch.commit()).rejects.toMatchObject({ class: 'retry' });
    await session.rollback();
    expect((await store.query('SELECT id FROM t WHERE id = 99')).rows).toEqual([]);
    expect(await readCheckpoint(store, 'f')).toMatchObject({ position, sequence: 0 });
  });
});
