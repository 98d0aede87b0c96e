import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Source } from '../../src/source/contract.ts';
import { afterBytes, startHalfOpenProxy, type HalfOpenProxy } from '../support/half-open-proxy.ts';
import { createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { inSchema, never, openSource, Reading, rejection } from './reading.ts';

const quick = { heartbeatMs: 100, silenceMs: 500, connectTimeoutMs: 500 };
/** A question has three times the time of a connect; the rest is for a machine that is busy. */
const NOTICED_MS = 10_000;

eachServer((flavour, server) => {
  async function throughProxy(to = server): Promise<{ readonly proxy: HalfOpenProxy; readonly source: Source }> {
    const proxy = await startHalfOpenProxy(to);
    return { proxy, source: openSource(to.url.replace(`:${to.port}`, `:${proxy.port}`), quick) };
  }

  const questions: Record<string, (source: Source) => Promise<unknown>> = {
    inspect: (source) => source.inspect(never),
    head: (source) => source.head(never),
    'resolve earliest': (source) => source.resolve({ kind: 'earliest' }, never),
    'resolve a time': (source) => source.resolve({ kind: 'time', time: Date.now() }, never),
    seesLock: (source) => source.seesLock('kisflow', never),
  };

  it.each(Object.keys(questions))('L12: %s ends when its connection goes silent, at whatever byte', async (name) => {
    const ask = questions[name];
    if (ask === undefined) throw new Error(name);
    const { proxy, source } = await throughProxy();
    await ask(source);
    const whole = proxy.forwarded.toClient;
    // not to the last byte: heartbeats may have been among them
    const stages = [0, 3, 50, 100, 150, Math.floor(whole / 2)];
    await Promise.all(
      stages.map(async (bytes) => {
        const own = await throughProxy();
        const silent = own.proxy.spoil('half-open', afterBytes(bytes));
        const since = Date.now();
        const error = await rejection(ask(own.source));
        await silent;
        expect(error, `after ${bytes} bytes`).toMatchObject({ code: 'SOURCE_UNREACHABLE', class: 'retry' });
        expect(Date.now() - since).toBeLessThan(NOTICED_MS);
      }),
    );
  });

  it('a question that is aborted ends at once, also while its connection is made', async () => {
    const { proxy, source } = await throughProxy();
    const slow = openSource(server.url.replace(`:${server.port}`, `:${proxy.port}`), { connectTimeoutMs: 60_000 });
    proxy.setMode('half-open');
    const stop = new AbortController();
    const asked = slow.head(stop.signal).then(
      () => 'answered',
      () => 'aborted',
    );
    await waitFor(() => proxy.connectionCount === 1);
    stop.abort();
    expect(await Promise.race([asked, delay(5000)])).toBe('aborted');
    await source.close();
  });

  it('L12: a read notices a silence at whatever byte of its connecting, of what it asks about tables, and of the dump', async () => {
    // events without metadata: their table is asked for
    const own = await startPrivateServer(flavour, { binlog_row_metadata: 'MINIMAL' });
    const { name, connection } = await createDatabase(own);
    await connection.query('CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, v VARCHAR(100))');
    const direct = await openSource(own.url).resolve({ kind: 'latest' }, never);
    await connection.query("INSERT INTO t VALUES (1, 'a')");
    const { proxy, source } = await throughProxy(own);
    const whole = new Reading(source, { from: direct, wants: inSchema(name) });
    await whole.untilIds(1);
    await whole.stop();
    const { toClient } = proxy.forwarded;
    const stages = Array.from({ length: 12 }, (_, i) => Math.floor((toClient * i) / 12));
    await Promise.all(
      stages.map(async (bytes) => {
        const spoilt = await throughProxy(own);
        const silent = spoilt.proxy.spoil('half-open', afterBytes(bytes));
        const reading = new Reading(spoilt.source, { from: direct, wants: inSchema(name) });
        await silent;
        const since = Date.now();
        await reading.until(`the loss after ${bytes} bytes`, ({ states }) => states.at(-1)?.isConnected === false, NOTICED_MS);
        expect(reading.states.at(-1)?.lastError).toMatchObject({ code: 'SOURCE_UNREACHABLE' });
        expect(Date.now() - since).toBeLessThan(NOTICED_MS);
        spoilt.proxy.cut();
        spoilt.proxy.setMode('forward');
        await reading.untilIds(1);
        expect(reading.ids()).toEqual([1]);
        await reading.stop();
      }),
    );
  }, 60_000);

  it('L12: a packet whose length was damaged does not keep a read waiting for its end: heartbeats are not the rest of it', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY)');
    const { proxy, source } = await throughProxy();
    const reading = new Reading(source, {
      from: await openSource(server.url).resolve({ kind: 'latest' }, never),
      wants: inSchema(name),
    });
    await connection.query('INSERT INTO t VALUES (1)');
    await reading.untilIds(1);
    // the highest byte of the length of a heartbeat: 64 KB more
    await proxy.spoil('flip', (chunk) => (chunk.length > 20 && chunk.length < 100 ? 2 : -1));
    await reading.until('the loss', ({ states }) => states.at(-1)?.isConnected === false, NOTICED_MS);
    await connection.query('INSERT INTO t VALUES (2)');
    await reading.untilIds(2);
    expect(reading.ids()).toEqual([1, 2]);
  });

  it('L3: bytes that are damaged once are read again; an event that is always damaged stops the read', async () => {
    const { name, connection } = await createDatabase(server);
    await connection.query('CREATE TABLE t (id INT PRIMARY KEY, v TEXT)');
    const { proxy, source } = await throughProxy();
    const reading = new Reading(source, {
      from: await openSource(server.url).resolve({ kind: 'latest' }, never),
      wants: inSchema(name),
    });
    const damage = () => proxy.spoil('flip', (chunk) => chunk.indexOf('bad'));
    for (const id of [1, 2, 3]) {
      const damaged = damage();
      await connection.query(`INSERT INTO t VALUES (${id}, 'bad')`);
      await damaged;
      await reading.untilIds(id);
    }
    expect(reading.ids()).toEqual([1, 2, 3]);
    let damaged = damage();
    await connection.query("INSERT INTO t VALUES (4, 'bad')");
    for (let tries = 1; tries < 3; tries += 1) {
      await damaged;
      damaged = damage();
    }
    expect(await reading.failure()).toMatchObject({ code: 'SOURCE_UNDECODABLE' });
    expect(reading.ids()).toEqual([1, 2, 3]);
  });
});
