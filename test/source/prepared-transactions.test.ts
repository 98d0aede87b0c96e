import { describe, expect, it } from 'vitest';
import { EventType } from '../../src/binlog/event-header.ts';
import { CodedError } from '../../src/lib/error.ts';
import { PreparedTransactions, type PreparedTransactionsOptions } from '../../src/source/prepared-transactions.ts';
import type { InnerEvents } from '../../src/source/inner-events.ts';
import type { BinlogPlace } from '../../src/source/table-definitions.ts';
import type { PreparedSource } from '../../src/source/xa-groups.ts';

const WRITE_ROWS = 30;

function event(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(19);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(19 + body.length, 9);
  return Buffer.concat([header, body]);
}

/** A table map as far as its names, of the table with the id of its letter. */
function map(table: string): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt8(table.charCodeAt(0), 0);
  return event(EventType.TABLE_MAP, Buffer.concat([body, Buffer.from(`\u0001s\0\u0001${table}\0`, 'latin1')]));
}

function rows(table: string, value: string): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt8(table.charCodeAt(0), 0);
  return event(WRITE_ROWS, Buffer.concat([body, Buffer.from(value)]));
}

interface Group {
  readonly xid: string;
  readonly at: BinlogPlace;
  readonly events: readonly Buffer[];
}

const place = (offset: number): BinlogPlace => ({ file: 'b.000001', offset });

/** A binlog of first groups, and how often it was asked. */
class Binlog implements PreparedSource {
  readonly groups: Group[] = [];
  finds = 0;
  reads = 0;

  add(xid: string, ...events: readonly Buffer[]): Group {
    const group = { xid, at: place(100 * (this.groups.length + 1)), events };
    this.groups.push(group);
    return group;
  }

  async find(xid: string): Promise<ReadonlyMap<string, BinlogPlace>> {
    this.finds += 1;
    const found = new Map(this.groups.map((group) => [group.xid, group.at]));
    if (!found.has(xid)) throw new CodedError('SOURCE_PURGED', xid);
    return found;
  }

  async read(at: BinlogPlace, keep: (each: Buffer) => Promise<void> | undefined, signal: AbortSignal): Promise<void> {
    this.reads += 1;
    const group = this.groups.find((each) => each.at.offset === at.offset);
    for (const each of group?.events ?? []) {
      await keep(each);
      signal.throwIfAborted();
    }
  }
}

function see(prepared: PreparedTransactions, { xid, at, events }: Group): void {
  prepared.begin(at);
  for (const each of events) prepared.keep(each);
  prepared.prepare(xid);
}

async function taken(events: InnerEvents): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (let next = events.next(); next.done !== true; next = events.next()) {
    if (next.value instanceof Promise) await next.value;
    else all.push(next.value);
  }
  return all;
}

const open = (source: Binlog, options: Partial<PreparedTransactionsOptions> = {}) =>
  new PreparedTransactions({ wants: () => true, source, ...options });

describe('prepared XA transactions', () => {
  it('are given where they are committed, each its own, in whatever order, and once', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog);
    const events = [map('t'), rows('t', '1'), rows('t', '2')];
    for (const xid of ['a', 'b', 'c']) see(prepared, binlog.add(xid, ...events, rows('t', xid)));
    expect(await taken(prepared.commit('b', place(900)))).toEqual([...events, rows('t', 'b')]);
    expect(prepared.source).toEqual(place(200));
    prepared.rollBack('a');
    expect(await taken(prepared.commit('c', place(900)))).toEqual([...events, rows('t', 'c')]);
    expect(prepared.heldBytes).toBe(0);
    expect([binlog.finds, binlog.reads]).toEqual([0, 0]);
  });

  it('count from the last time that they were prepared: an id is used again, or was written twice', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog);
    see(prepared, binlog.add('a', map('t'), rows('t', '1')));
    see(prepared, binlog.add('a', map('t'), rows('t', '2')));
    expect(await taken(prepared.commit('a', place(900)))).toEqual([map('t'), rows('t', '2')]);
    expect(prepared.heldBytes).toBe(0);
  });

  it('are read again where a table is wanted that was passed by, and not where none is', async () => {
    const wanted = new Set(['t']);
    const binlog = new Binlog();
    const prepared = open(binlog, { wants: (_schema, table) => wanted.has(table) });
    const events = [map('t'), rows('t', '1'), map('u'), rows('u', '2')];
    for (const xid of ['a', 'b']) see(prepared, binlog.add(xid, ...events));
    expect(await taken(prepared.commit('a', place(900)))).toEqual(events.slice(0, 2));
    expect(binlog.reads).toBe(0);
    wanted.add('u');
    expect(await taken(prepared.commit('b', place(900)))).toEqual(events);
    expect(binlog.reads).toBe(1);
  });

  it('L7: are held within a bound, the newest ones, and none may push out all others; the rest is read again', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog, { bytesMax: 100_000 });
    const large = 'x'.repeat(15_000);
    for (let n = 0; n < 20; n += 1) {
      see(prepared, binlog.add(`${n}`, map('t'), rows('t', `${n}${large}`)));
      expect(prepared.heldBytes).toBeLessThanOrEqual(100_000);
    }
    const held = prepared.heldBytes;
    see(prepared, binlog.add('huge', map('t'), ...Array.from({ length: 20 }, () => rows('t', large))));
    expect(prepared.heldBytes).toBeGreaterThan(held - 100_000 / 3);
    for (let n = 19; n >= 0; n -= 1) expect(await taken(prepared.commit(`${n}`, place(9000)))).toHaveLength(2);
    expect(binlog.reads).toBeGreaterThan(10);
    expect(binlog.reads).toBeLessThan(17);
    expect(await taken(prepared.commit('huge', place(9000)))).toHaveLength(21);
    expect(binlog.finds).toBe(0);
    expect(prepared.heldBytes).toBe(0);
  });

  it('L2: that were prepared before this connection are searched for once, all of them together', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog);
    for (const xid of ['a', 'b', 'c']) binlog.add(xid, map('t'), rows('t', xid));
    for (const xid of ['b', 'c', 'a']) {
      expect(await taken(prepared.commit(xid, place(900)))).toEqual([map('t'), rows('t', xid)]);
    }
    expect([binlog.finds, binlog.reads]).toEqual([1, 3]);
    await expect(taken(prepared.commit('d', place(900)))).rejects.toMatchObject({ code: 'SOURCE_PURGED' });
  });

  it('are only so many', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog, { countMax: 5 });
    for (let n = 0; n < 10; n += 1) see(prepared, binlog.add(`${n}`, map('t'), rows('t', `${n}`)));
    expect(await taken(prepared.commit('9', place(9000)))).toEqual([map('t'), rows('t', '9')]);
    expect(binlog.finds).toBe(0);
    expect(await taken(prepared.commit('0', place(9000)))).toEqual([map('t'), rows('t', '0')]);
    expect(binlog.finds).toBe(1);
  });

  it('in one phase are given at their own end; what never ended leaves nothing', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog);
    prepared.begin(place(100));
    prepared.keep(map('t'));
    prepared.begin(place(200));
    prepared.keep(rows('t', '1'));
    expect(await taken(prepared.commitOpen())).toEqual([rows('t', '1')]);
    prepared.begin(place(300));
    prepared.keep(rows('t', '1'));
    prepared.abandon();
    expect(prepared.heldBytes).toBe(0);
  });

  it('L7: read again, come no faster than they are taken, and no more behind the end of a connection', async () => {
    const binlog = new Binlog();
    const prepared = open(binlog);
    binlog.add('a', ...Array.from({ length: 100 }, () => rows('t', 'x'.repeat(100_000))));
    const events = prepared.commit('a', place(900));
    const { value: first } = events.next();
    await first;
    let waiting = 0;
    for (let next = events.next(); !(next.value instanceof Promise); next = events.next()) waiting += 1;
    expect(waiting).toBeLessThan(10);
    await prepared.close();
  });
});
