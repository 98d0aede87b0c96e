import { expect, it } from 'vitest';
import { FlowFeed } from '../../src/daemon/feed.ts';
import { formatPosition, parsePosition, type Position } from '../../src/row/position.ts';
import { never, openSource } from '../source/reading.ts';
import { connectTo, eachServer, startPrivateServer } from '../support/servers.ts';
import { onEnd } from '../support/cleanup.ts';

eachServer((flavour) => {
  it('L2 a source that has written another transaction at the place of one that is done in part is refused', async () => {
    const server = await startPrivateServer(flavour);
    const connection = await connectTo(server);
    await connection.query('CREATE DATABASE d');
    await connection.query('CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(100))');
    const source = openSource(server.url, { pieceBytes: 2000 });
    const { hasGtid } = await source.inspect(never);

    /** As after a crash in which all that the binlog had was lost: what is written has the same place and number again. */
    async function writeAnew({ first, time }: { readonly first: number; readonly time: number }): Promise<void> {
      await connection.query('TRUNCATE TABLE d.t');
      await connection.query(flavour === 'mysql' ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER');
      await connection.query(`SET timestamp = ${time}`);
      await connection.beginTransaction();
      for (let id = first; id < first + 200; id += 10) {
        const rows = Array.from({ length: 10 }, (_, n) => [id + n, 'x'.repeat(50)]);
        await connection.query('INSERT INTO d.t VALUES ?', [rows]);
      }
      await connection.commit();
    }

    /** Takes a batch behind a position, from a read of its own, or fails with what ended it. */
    async function takeBehind(start: Position) {
      const feed = new FlowFeed({
        flow: 'f',
        start,
        hasGtid,
        queueBytesMax: 1_000_000,
        batch: { rows: 50, bytes: 1_000_000 },
        wants: (schema) => schema === 'd',
      });
      const stop = new AbortController();
      onEnd(async () => stop.abort());
      const read = source.read({ from: feed.received, wants: (schema) => schema === 'd', sink: feed, signal: stop.signal });
      read.catch((error: unknown) => feed.fail(error instanceof Error ? error : new Error(String(error))));
      const batch = await feed.take(never);
      stop.abort();
      await read;
      const ids = batch?.parts.flatMap(({ groups }) =>
        groups.flatMap((group) => (group.op === 'insert' ? group.after.map(({ id }) => id) : [])),
      );
      return { ids, end: batch?.end };
    }

    await writeAnew({ first: 1, time: 1_700_000_000 });
    const start = await source.resolve({ kind: 'earliest' }, never);
    const { end } = await takeBehind(start);
    const position = end === undefined ? undefined : parsePosition(formatPosition(end));
    if (position === undefined) throw new Error('nothing was taken');
    expect(position.rows).toBeGreaterThan(0);
    expect(position.of).toMatchObject({ begun: 1_700_000_000_000, gtid: expect.stringMatching(/[:-]1$/) });
    expect((await takeBehind(position)).ids?.[0]).toBe(1 + position.rows);
    await writeAnew({ first: 1, time: 1_700_000_000 });
    expect((await takeBehind(position)).ids?.[0]).toBe(1 + position.rows);
    const refused = { code: 'SOURCE_WRONG_SERVER', class: 'stop' };
    await writeAnew({ first: 1, time: 1_700_000_060 });
    await expect(takeBehind(position)).rejects.toMatchObject(refused);
    await writeAnew({ first: 1001, time: 1_700_000_000 });
    await expect(takeBehind(position)).rejects.toMatchObject(refused);
  });
});
