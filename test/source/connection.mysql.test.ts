import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/lib/abort.ts';
import type { Position } from '../../src/row/position.ts';
import type { Source } from '../../src/source/contract.ts';
import { killDumps } from '../support/fault/source-server.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { inSchema, never, openSource, Reading } from './reading.ts';

eachServer((flavour, server) => {
  interface Setting {
    readonly name: string;
    readonly connection: Connection;
    readonly source: Source;
    readonly from: Position;
  }

  async function prepare(url: string, options: Parameters<typeof openSource>[1] = {}, on = server): Promise<Setting> {
    const database = await createDatabase(on);
    await database.connection.query('CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))');
    const source = openSource(url, options);
    return { ...database, source, from: await source.resolve({ kind: 'latest' }, never) };
  }

  const many = (count: number, first = 1) =>
    `INSERT INTO t VALUES ${Array.from({ length: count }, (_, i) => `(${first + i}, '${'x'.repeat(60)}')`).join(', ')}`;
  const numbers = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i);

  it('a lost connection in the middle of a transaction loses no change and doubles none', async () => {
    const proxy = await startHalfOpenProxy(server);
    const url = `mysql://${server.user}:${server.password}@127.0.0.1:${proxy.port}`;
    const { name, connection, source, from } = await prepare(url, { pieceBytes: 8192 });
    await connection.query(many(5000));
    await connection.query(many(10, 5001));
    let cuts = 0;
    const reading = new Reading(source, {
      from,
      wants: inSchema(name),
      onPart(part) {
        if (part.isFinal || part.groups.length === 0 || cuts === 5) return undefined;
        if (Math.random() < 0.8) return undefined;
        cuts += 1;
        proxy.cut();
        return undefined;
      },
    });
    await reading.until('all rows', () => reading.ids().includes(5010));
    expect(cuts).toBeGreaterThan(0);
    expect(reading.ids()).toEqual(numbers(5010));
    expect(reading.parts.filter((part) => part.isFinal && part.groups.length > 0).length).toBe(2);
    expect(reading.states.some((state) => !state.isConnected && state.lastError !== undefined)).toBe(true);
    await reading.until('a connection', ({ states }) => states.at(-1)?.isConnected === true);
    expect(reading.states.at(-1)).toMatchObject({ isConnected: true, lastError: undefined });
  });

  it('a long binlog leaves the process its other work: at most 256 KB are decoded between two turns of the event loop', async () => {
    const { name, connection, source, from } = await prepare(server.url);
    for (let first = 1; first <= 40_000; first += 400) await connection.query(many(400, first));
    let bytes = 0;
    let inTurn = 0;
    let mostInTurn = 0;
    let isReading = true;
    const turn = (): void => {
      mostInTurn = Math.max(mostInTurn, inTurn);
      inTurn = 0;
      if (isReading) setImmediate(turn);
    };
    setImmediate(turn);
    const reading = new Reading(source, {
      from,
      wants: inSchema(name),
      onPart(part) {
        bytes += part.bytes;
        inTurn += part.bytes;
        return undefined;
      },
    });
    await reading.until('all rows', () => reading.ids().length === 40_000);
    isReading = false;
    expect(bytes).toBeGreaterThan(2_000_000);
    expect(mostInTurn).toBeLessThan(256 * 1024);
  });

  it('the server’s kill of the dump is survived', async () => {
    const own = await startPrivateServer(flavour); // every dump of it is killed: nobody else may read there
    const { name, connection, source, from } = await prepare(own.url, {}, own);
    const reading = new Reading(source, { from, wants: inSchema(name) });
    for (let round = 1; round <= 3; round += 1) {
      await connection.query(many(1, round));
      await reading.untilIds(round);
      await killReader(connection, reading);
    }
    await connection.query(many(1, 99));
    await reading.untilIds(99);
    expect(reading.ids()).toEqual([1, 2, 3, 99]);
  });

  async function killReader(connection: Connection, reading: Reading): Promise<void> {
    const lost = reading.states.filter((state) => !state.isConnected).length;
    await waitFor(async () => {
      await killDumps(connection);
      return reading.states.filter((state) => !state.isConnected).length > lost;
    });
  }

  it('L12: a half-open connection is noticed by its silence, and left for another one', async () => {
    const proxy = await startHalfOpenProxy(server);
    const url = `mysql://${server.user}:${server.password}@127.0.0.1:${proxy.port}`;
    const { name, connection, source, from } = await prepare(url, { heartbeatMs: 100, silenceMs: 500, connectTimeoutMs: 500 });
    const reading = new Reading(source, { from, wants: inSchema(name) });
    await connection.query(many(1, 1));
    await reading.untilIds(1);
    proxy.setMode('half-open');
    const since = Date.now();
    await connection.query(many(1, 2));
    await reading.until('the loss', ({ states }) => states.at(-1)?.isConnected === false, 5000);
    expect(Date.now() - since).toBeLessThan(4000);
    proxy.cut();
    proxy.setMode('forward');
    await reading.untilIds(2);
    expect(reading.ids()).toEqual([1, 2]);
  });

  it('an idle server is not taken for a dead one: heartbeats come', async () => {
    const own = await startPrivateServer(flavour);
    const source = openSource(own.url, { heartbeatMs: 100, silenceMs: 400 });
    const reading = new Reading(source, { from: await source.resolve({ kind: 'latest' }, never), wants: () => true });
    await reading.until(
      'two seconds of life',
      ({ states }) => (states.at(-1)?.lastEventAt ?? 0) - (states[0]?.lastEventAt ?? Infinity) > 2000,
    );
    expect(reading.states.every((state) => state.isConnected)).toBe(true);
  });

  it('L7: while the sink says enough nothing more is handed on, silence is no loss, and then all of it comes', async () => {
    const { name, connection, source, from } = await prepare(server.url, { pieceBytes: 4096, heartbeatMs: 100, silenceMs: 300 });
    for (let i = 0; i < 20; i += 1) await connection.query(many(1000, i * 1000 + 1));
    const gate = deferred<void>();
    let isOpen = false;
    let late = 0;
    const reading = new Reading(source, {
      from,
      wants: inSchema(name),
      onPart(part) {
        if (part.groups.length === 0 || isOpen) return undefined;
        late += 1;
        return gate.promise;
      },
    });
    await reading.until('the first part', () => late > 0);
    const heap = process.memoryUsage().rss;
    await waitFor(async () => (await connection.query('SELECT SLEEP(1.5)')) !== undefined);
    expect(late).toBe(1);
    expect(process.memoryUsage().rss - heap).toBeLessThan(30_000_000);
    expect(reading.states.every((state) => state.isConnected)).toBe(true);
    isOpen = true;
    gate.resolve();
    await reading.until('the rest', () => reading.ids().length >= 20_000);
    expect(reading.ids()).toEqual(numbers(20_000));
  });

  it('a read ends at once when its signal aborts, also while it is paused or connecting', async () => {
    const { name, connection, source, from } = await prepare(server.url);
    await connection.query(many(5));
    const paused = new Reading(source, { from, wants: inSchema(name), onPart: () => new Promise(() => undefined) });
    await paused.until('a part', ({ parts }) => parts.length > 0);
    await paused.stop();
    expect(paused.error).toBeUndefined();
    const nowhere = openSource('mysql://root@127.0.0.1:1');
    const connecting = new Reading(nowhere, { from, wants: () => true });
    await connecting.until('a failure', ({ states }) => states.length > 0);
    expect(connecting.states[0]?.lastError).toMatchObject({ code: 'SOURCE_UNREACHABLE', class: 'retry' });
    await connecting.stop();
    expect(connecting.error).toBeUndefined();
  });

  describe('server ids', () => {
    it('two readers of one source do not clash, with a given first id and with chosen ones', async () => {
      for (const serverId of [0, 71_000 + Math.floor(Math.random() * 1000) * 10]) {
        const { name, connection, source, from } = await prepare(server.url, { serverId });
        const readings = [1, 2, 3].map(() => new Reading(source, { from, wants: inSchema(name) }));
        await connection.query(many(3));
        for (const reading of readings) await reading.untilIds(3);
        await connection.query(many(1, 4));
        for (const reading of readings) {
          await reading.untilIds(4);
          expect(reading.ids()).toEqual([1, 2, 3, 4]);
          await reading.stop();
        }
      }
    });

    it('a given id that another reader takes as well stops the read that loses', async () => {
      const own = await startPrivateServer(flavour);
      const options = { serverId: 4711 };
      const first = openSource(own.url, options);
      const from = await first.resolve({ kind: 'latest' }, never);
      const loser = new Reading(first, { from, wants: () => true });
      await loser.until('a connection', ({ states }) => states.some((state) => state.isConnected));
      const winner = new Reading(openSource(own.url, options), { from, wants: () => true });
      await winner.until('a connection', ({ states }) => states.some((state) => state.isConnected));
      expect((await loser.failure()).code).toBe('SOURCE_SERVER_ID_CLASH');
      expect(winner.error).toBeUndefined();
    });
  });
});
