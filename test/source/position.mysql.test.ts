import * as fc from 'fast-check';
import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/row/position.ts';
import { parsePosition, formatPosition, type StartPoint } from '../../src/row/position.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { flatten, inSchema, never, openSource, purgeTo, Reading, rejection } from './reading.ts';

/** One thing that a random workload does. */
type Step =
  | { readonly kind: 'insert' | 'update' | 'delete' | 'both' | 'rollback' | 'savepoint'; readonly count: number }
  | { readonly kind: 'empty' | 'ddl' | 'truncate' | 'flush' | 'nontransactional' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('insert', 'update', 'delete', 'both', 'rollback', 'savepoint'),
    count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 200, max: 900 })),
  }),
  fc.record({ kind: fc.constantFrom('empty', 'ddl', 'truncate', 'flush', 'nontransactional') }),
);

class Workload {
  readonly #connection: Connection;
  #id = 0;
  #columns = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async prepare(): Promise<void> {
    await this.#run(
      'CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(100))',
      'CREATE TABLE b (id INT PRIMARY KEY, v VARCHAR(100))',
      'CREATE TABLE emptied (id INT PRIMARY KEY)',
      'CREATE TABLE plain (id INT PRIMARY KEY) ENGINE = MyISAM',
    );
  }

  async run(each: Step): Promise<void> {
    switch (each.kind) {
      case 'insert':
        return this.#run(this.#insert('a', each.count));
      case 'update':
        return this.#run(`UPDATE a SET v = CONCAT(v, '.') ORDER BY id LIMIT ${each.count}`);
      case 'delete':
        return this.#run(`DELETE FROM a ORDER BY id LIMIT ${each.count}`);
      case 'both':
        return this.#run('BEGIN', this.#insert('a', each.count), this.#insert('b', 2), `UPDATE b SET v = ${this.#id}`, 'COMMIT');
      case 'rollback':
        return this.#run('BEGIN', this.#insert('a', each.count), 'ROLLBACK');
      case 'savepoint':
        return this.#run(
          'BEGIN',
          this.#insert('b', 1),
          'SAVEPOINT s',
          this.#insert('a', each.count),
          'ROLLBACK TO s',
          this.#insert('b', 1),
          'COMMIT',
        );
      case 'empty':
        return this.#run('UPDATE a SET v = v');
      case 'ddl':
        return this.#run(`ALTER TABLE a ADD c${(this.#columns += 1)} INT`);
      case 'truncate':
        return this.#run('TRUNCATE emptied');
      case 'flush':
        return this.#run('FLUSH BINARY LOGS');
      case 'nontransactional':
        return this.#run(`INSERT INTO plain VALUES (${(this.#id += 1)})`);
      default:
        each satisfies never;
    }
  }

  /** The last change of all, for a reader to wait for. */
  async end(): Promise<number> {
    await this.#run(this.#insert('b', 1));
    return this.#id;
  }

  #insert(table: string, count: number): string {
    const rows = Array.from({ length: count }, () => `(${(this.#id += 1)}, '${'x'.repeat(40)}')`);
    return `INSERT INTO ${table} (id, v) VALUES ${rows.join(', ')}`;
  }

  async #run(...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.#connection.query(statement);
  }
}

eachServer((flavour, server) => {
  it('L2: whatever was committed, a read that goes on from any final position gets exactly the rest', async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), async (steps, seed) => {
      const database = await createDatabase(server);
      const source = openSource(server.url, { pieceBytes: 4096 });
      const workload = new Workload(database.connection);
      await workload.prepare();
      const from = await source.resolve({ kind: 'latest' }, never);
      for (const each of steps) await workload.run(each);
      const last = await workload.end();
      const wants = inSchema(database.name);
      const whole = new Reading(source, { from, wants });
      await whole.untilIds(last);
      await whole.stop();
      expect(whole.positions.map((position) => parsePosition(formatPosition(position)))).toEqual(whole.positions);

      // The changes behind each final part; the parts of a transaction belong together.
      const finals = whole.parts.flatMap((part, index) => (part.isFinal ? [index] : []));
      const chosen = [...new Set([0, seed % finals.length, (seed * 7) % finals.length, finals.length - 1])];
      for (const index of chosen) {
        const position = whole.positions[index] ?? from;
        const rest = whole.parts.slice((finals[index] ?? 0) + 1).flatMap((part) => flatten(part.groups));
        const reading = new Reading(source, { from: position, wants });
        if (rest.length > 0) await reading.until('the rest', () => reading.changes.length >= rest.length);
        await reading.stop();
        expect(reading.changes).toEqual(rest);
      }
    });
    await fc.assert(property, { numRuns: 6 });
  }, 180_000);

  it('a transaction of many rows comes in parts of about the size that was asked for, in order, and one final part', async () => {
    const database = await createDatabase(server);
    const source = openSource(server.url, { pieceBytes: 64 * 1024 });
    const workload = new Workload(database.connection);
    await workload.prepare();
    const from = await source.resolve({ kind: 'latest' }, never);
    await workload.run({ kind: 'insert', count: 10_000 });
    const reading = new Reading(source, { from, wants: inSchema(database.name) });
    await reading.until('10,000 rows', () => reading.parts.some((part) => part.isFinal && part.groups.length > 0));
    const parts = reading.parts.filter((part) => part.groups.length > 0);
    expect(parts.length).toBeGreaterThan(5);
    expect(parts.map((part) => part.isFinal)).toEqual([...parts.slice(1).map(() => false), true]);
    expect(parts.every((part) => part.bytes < 64 * 1024 + 20_000)).toBe(true);
    expect(new Set(parts.map((part) => part.gtid)).size).toBe(1);
    expect(reading.ids()).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
  });

  it('an idle reader comes to the head by itself, over rotations too', async () => {
    const own = await startPrivateServer(flavour);
    const connection = await connectTo(own);
    const source = openSource(own.url);
    const from = await source.resolve({ kind: 'earliest' }, never);
    const reading = new Reading(source, { from, wants: () => false });
    for (const rotations of [0, 2]) {
      for (let i = 0; i < rotations; i += 1) await connection.query('FLUSH BINARY LOGS');
      const head = await source.head(never);
      await reading.until('the head', () => {
        const place = reading.positions.at(-1);
        return place?.file === head.file && place.offset === head.offset;
      });
    }
    const count = reading.parts.length;
    await waitFor(() => reading.states.length > 3);
    expect(reading.parts.length).toBe(count);
  });

  // MariaDB always has them.
  if (flavour === 'mysql')
    it('works without GTIDs of the source as well, by file and offset', async () => {
      const own = await startPrivateServer(flavour, { gtid_mode: 'OFF', enforce_gtid_consistency: 'OFF' });
      const connection = await connectTo(own);
      await connection.query('CREATE DATABASE s');
      await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY)');
      const source = openSource(own.url);
      expect((await source.inspect(never)).hasGtid).toBe(false);
      const from = await source.resolve({ kind: 'latest' }, never);
      expect(from.gtid).toBe('');
      for (let id = 1; id <= 4; id += 1) {
        await connection.query(`INSERT INTO s.t VALUES (${id})`);
        if (id === 2) await connection.query('FLUSH BINARY LOGS');
      }
      const reading = new Reading(source, { from, wants: inSchema('s') });
      await reading.untilIds(4);
      for (const [index, position] of reading.positions.entries()) {
        const rest = reading.parts.slice(index + 1).flatMap((part) => flatten(part.groups));
        const again = new Reading(source, { from: position, wants: inSchema('s') });
        if (rest.length > 0) await again.untilIds(4);
        expect(again.changes).toEqual(rest);
        await again.stop();
      }
    });

  if (flavour === 'mysql')
    it('L3: a position from before the server had GTIDs is refused, not resumed with half a set', async () => {
      const own = await startPrivateServer(flavour);
      const connection = await connectTo(own);
      await connection.query('CREATE DATABASE s');
      await connection.query('FLUSH BINARY LOGS');
      const source = openSource(own.url);
      const head = await source.head(never);
      const reading = new Reading(source, { from: { ...head, gtid: '' }, wants: () => true });
      expect((await reading.failure()).code).toBe('SOURCE_POSITION_INVALID');
      const resolved = await source.resolve({ kind: 'file', file: head.file, offset: head.offset }, never);
      expect(resolved).toEqual(head);
    });

  describe('a start', () => {
    async function history(): Promise<{
      ends: Position[];
      source: ReturnType<typeof openSource>;
      resolve: (start: StartPoint) => Promise<Position>;
      ids: (from: Position) => Promise<unknown[]>;
      connection: Connection;
    }> {
      const own = await startPrivateServer(flavour);
      const connection = await connectTo(own);
      const source = openSource(own.url);
      await connection.query('CREATE DATABASE s');
      await connection.query('CREATE TABLE s.t (id INT PRIMARY KEY)');
      const ends: Position[] = [];
      for (let id = 1; id <= 6; id += 1) {
        await connection.query(`INSERT INTO s.t VALUES (${id})`);
        ends.push(await source.head(never));
        if (id % 2 === 0) await connection.query('FLUSH BINARY LOGS');
      }
      const ids = async (from: Position) => {
        const reading = new Reading(source, { from, wants: inSchema('s') });
        await reading.untilIds(6);
        await reading.stop();
        return reading.ids();
      };
      return { ends, source, resolve: (start) => source.resolve(start, never), ids, connection };
    }

    it('earliest, file and offset, and GTID set lead to the same history', async () => {
      const { ends, source, resolve, ids, connection } = await history();
      expect(await ids(await resolve({ kind: 'earliest' }))).toEqual([1, 2, 3, 4, 5, 6]);
      for (const [index, end] of ends.slice(0, 5).entries()) {
        const rest = [1, 2, 3, 4, 5, 6].slice(index + 1);
        const byPlace = await resolve({ kind: 'file', file: end.file, offset: end.offset });
        expect(byPlace).toEqual(end);
        expect(await ids(byPlace)).toEqual(rest);
        expect(await ids(await resolve({ kind: 'gtid', gtid: end.gtid }))).toEqual(rest);
      }
      const third = ends[2] ?? ends[0];
      await purgeTo(connection, source, third?.file ?? '');
      const earliest = await resolve({ kind: 'earliest' });
      expect(earliest.file).toBe(third?.file);
      expect(await ids(earliest)).toEqual([3, 4, 5, 6]);
      const first = ends[0] ?? earliest;
      expect((await rejection(resolve({ kind: 'file', file: first.file, offset: first.offset }))).code).toBe('SOURCE_PURGED');
      expect((await rejection(resolve({ kind: 'gtid', gtid: first.gtid }))).code).toBe('SOURCE_PURGED');
    });

    it('time: the first transaction that was committed then or later', async () => {
      const { resolve, ids, connection, source } = await history();
      const now = async () => {
        const [rows] = await connection.query('SELECT UNIX_TIMESTAMP() AS now');
        return Number(Object.values(Object(Object(rows)[0]))[0]) * 1000;
      };
      const before = await now();
      await waitFor(async () => (await now()) >= before + 2000);
      await connection.query('DELETE FROM s.t WHERE id = 6');
      await connection.query('INSERT INTO s.t VALUES (6)');
      expect(await ids(await resolve({ kind: 'time', time: before + 1000 }))).toEqual([6, 6]);
      expect((await ids(await resolve({ kind: 'time', time: 0 }))).slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
      const future = await resolve({ kind: 'time', time: Date.now() + 86_400_000 });
      const head = await source.head(never);
      expect(future).toEqual(head);
    });

    it('that is no place between transactions is refused', async () => {
      const { ends, resolve, connection } = await history();
      const { file, offset } = ends[0] ?? { file: '', offset: 0 };
      const [events] = await connection.query(`SHOW BINLOG EVENTS IN '${file}'`);
      const rows: unknown = Object(events).find((event: { Event_type: string }) => event.Event_type === 'Table_map');
      const inside = Number(Object(rows).Pos);
      for (const bad of [
        { kind: 'file', file, offset: offset + 1 },
        { kind: 'file', file, offset: inside },
        { kind: 'file', file, offset: 99_999_999 },
        { kind: 'file', file: 'binlog.000999', offset: 4 },
        { kind: 'gtid', gtid: flavour === 'mysql' ? '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5' : '0-1-999999' },
        { kind: 'gtid', gtid: flavour === 'mysql' ? '0-1-1' : '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5' },
        { kind: 'snapshot' },
      ] as const) {
        expect((await rejection(resolve(bad))).code, JSON.stringify(bad)).toBe('SOURCE_POSITION_INVALID');
      }
    });
  });
});
