import { expect, it } from 'vitest';
import { BatchTransaction } from '../../src/checkpoint/batch-transaction.ts';
import { createCheckpoint, readCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { onEnd } from '../support/cleanup.ts';

eachServer((_flavour, server) => {
  it.each([
    ['an old epoch', { epoch: 1, sequence: 0 }],
    ['a sequence number that was continued already', { epoch: 2, sequence: -1 }],
    ['a sequence number that is yet to come', { epoch: 2, sequence: 1 }],
  ])('L6 a batch that names %s writes nothing', async (_what, named) => {
    const { url, connection } = await createDatabase(server, 'fence');
    const store = await openStore({ url });
    onEnd(() => store.close());
    await migrate({ store });
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY)');
    const position = { server: 's', file: 'b.000001', offset: 4, gtid: '', rows: 0 };
    await createCheckpoint(store, { flow: 'f', position, epoch: 2 });
    const session = await store.openSession();
    const begin = (step: { epoch: number; sequence: number }) =>
      new BatchTransaction({
        session,
        gate: Promise.resolve(),
        onSent: () => {},
        step: { flow: 'f', position: { ...position, offset: 99 }, time: 0, rows: 1, ...step },
      });
    const late = begin(named);
    await expect(late.query('INSERT INTO t VALUES (1)')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(late.commit()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await session.rollback();
    expect((await store.query('SELECT * FROM t')).rows).toEqual([]);
    expect(await readCheckpoint(store, 'f')).toMatchObject({ position, sequence: 0 });
    const current = begin({ epoch: 2, sequence: 0 });
    await current.query('INSERT INTO t VALUES (2)');
    await current.commit();
    expect(await readCheckpoint(store, 'f')).toMatchObject({ position: { offset: 99 }, sequence: 1 });
  });
});
