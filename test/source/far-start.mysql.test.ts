import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { DumpConnection } from '../../src/source/dump-connection.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { never, openSource } from './reading.ts';

interface Place {
  readonly file: string;
  readonly offset: number;
}

/** The events of a bounded dump. */
async function dumpOf({ url, flavour }: SqlAddress, from: Place, offsetMax: number): Promise<Buffer[]> {
  const events: Buffer[] = [];
  let dump: DumpConnection | undefined;
  const serverId = 3_000_000_000 + Math.floor(Math.random() * 1_000_000_000);
  await new Promise<void>((resolve, reject) => {
    const onEvent = (event: Buffer) => void events.push(Buffer.from(event));
    const common = { connectTimeoutMs: 10_000, heartbeatMs: 1000, isBounded: true, serverId, offsetMax };
    dump = new DumpConnection({ ...common, url, flavour, from, onEvent, onEnd: resolve, onError: reject });
  });
  dump?.close();
  return events;
}

eachServer((_flavour, server) => {
  it('a dump from a place that the command has no room for is the one from that place, event by event', async () => {
    const { connection } = await createDatabase(server);
    await connection.query('FLUSH BINARY LOGS; CREATE TABLE t (id INT PRIMARY KEY)');
    await connection.query('INSERT INTO t VALUES (1)');
    const { file, offset } = await openSource(server.url).resolve({ kind: 'latest' }, never);
    await connection.query('INSERT INTO t VALUES (2), (3)');
    const place = { file, offset };
    const near = await dumpOf(server, place, 2 ** 32);
    const far = await dumpOf(server, place, 100);
    // Others write to the server too.
    const ours = far.slice(0, near.length);
    expect(near.length).toBeGreaterThan(5);
    expect(ours.slice(2)).toEqual(near.slice(2));
    // What the dump thread makes itself has a time of creation that it clears in front of a place inside a file.
    expect(ours[0]).toEqual(near[0]);
    expect(ours[1]?.subarray(0, 75)).toEqual(near[1]?.subarray(0, 75));
    await expect(dumpOf(server, { file, offset: offset + 1 }, 100)).rejects.toMatchObject({ code: 'SOURCE_POSITION_INVALID' });
  });
});
