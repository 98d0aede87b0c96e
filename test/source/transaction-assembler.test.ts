import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/lib/logger.ts';
import { groupSize, type ChangeGroup, type TransactionPart } from '../../src/row/change.ts';
import { ARTIFICIAL_FLAG, type EventHeader } from '../../src/binlog/event-header.ts';
import { TransactionAssembler, type HandedOn } from '../../src/source/transaction-assembler.ts';

const table = { schema: 's', name: 't', id: 's.t', columns: [{ name: 'id' }], primaryKey: ['id'] };
const inserts = (...ids: readonly number[]): ChangeGroup => ({ op: 'insert', table, after: ids.map((id) => ({ id })) });

/** Events of a file that begins at `offset`, each of the size that is given, fed to an assembler. */
class Feed {
  readonly parts: TransactionPart[] = [];
  readonly assembler: TransactionAssembler;
  #offset: number;
  readonly #time: number;

  constructor({
    offset = 4,
    pieceBytes = 1000,
    skip = { gtid: '', count: 0 },
    time = 1000,
    server = 's',
  }: { offset?: number; pieceBytes?: number; skip?: HandedOn; time?: number; server?: string } = {}) {
    this.#offset = offset;
    this.#time = time;
    const emit = (part: TransactionPart) => void this.parts.push(part);
    this.assembler = new TransactionAssembler({ server, wants: () => true, emit, pieceBytes, skip, logger: silentLogger });
    this.assembler.rotate(this.header(0, { flags: ARTIFICIAL_FLAG }), 'b.000001', offset);
  }

  header(size: number, { hasPosition = true, flags = 0 } = {}): EventHeader {
    this.#offset += size;
    return { type: 0, time: this.#time, serverId: 1, size, nextPosition: hasPosition ? this.#offset % 2 ** 32 : 0, flags };
  }

  next(size = 100, options = {}): EventHeader {
    const header = this.header(size, options);
    this.assembler.advance(header);
    return header;
  }

  begin(gtid: string): void {
    this.assembler.begin(this.next(), { gtid, isOpen: false });
    this.query('BEGIN');
  }

  query(text: string): void {
    this.assembler.query(this.next(), 's', text);
  }

  rows(size: number, ...ids: readonly number[]): void {
    this.assembler.rows(this.next(size), inserts(...ids));
  }

  commit(): void {
    this.assembler.commit(this.next());
  }

  get ids(): unknown[] {
    return this.parts.flatMap((part) =>
      part.groups.flatMap((group) => (group.op === 'insert' ? group.after.map((row) => row['id']) : [])),
    );
  }
}

describe('L2: the assembler', () => {
  it('hands a transaction on at its commit, with the place behind it', () => {
    const feed = new Feed();
    feed.begin('g:1');
    feed.rows(100, 1, 2);
    expect(feed.parts).toEqual([]);
    feed.commit();
    expect(feed.parts).toMatchObject([{ file: 'b.000001', offset: 404, gtid: 'g:1', isFinal: true }]);
    expect(feed.ids).toEqual([1, 2]);
  });

  it('cuts a transaction that is larger than a piece, and only the last part is final', () => {
    const feed = new Feed({ pieceBytes: 500 });
    feed.begin('g:1');
    for (let id = 0; id < 20; id += 1) feed.rows(100, id);
    feed.commit();
    expect(feed.parts.length).toBeGreaterThan(3);
    expect(feed.parts.map((part) => part.isFinal)).toEqual([...feed.parts.slice(1).map(() => false), true]);
    expect(feed.parts.every((part) => part.gtid === 'g:1' && part.bytes <= 700)).toBe(true);
    expect(feed.ids).toEqual(Array.from({ length: 20 }, (_, id) => id));
  });

  it('leaves out what was handed on before the connection was lost, wherever it was lost', () => {
    const whole = new Feed({ pieceBytes: 300 });
    whole.begin('g:1');
    for (let id = 0; id < 9; id += 3) whole.rows(200, id, id + 1, id + 2);
    whole.commit();
    const all = whole.ids;
    for (let count = 0; count <= all.length; count += 1) {
      const again = new Feed({ pieceBytes: 300, skip: { gtid: 'g:1', count } });
      again.begin('g:1');
      for (let id = 0; id < 9; id += 3) {
        again.rows(200, id, id + 1, id + 2);
        expect(again.assembler.handedOn.count).toBe(
          Math.max(
            count,
            again.parts.flatMap((part) => part.groups).reduce((sum, group) => sum + groupSize(group), count),
          ),
        );
      }
      again.commit();
      expect(again.ids).toEqual(all.slice(count));
      expect(again.parts.at(-1)?.isFinal).toBe(true);
    }
  });

  it('refuses to go on in another transaction than the one that was read in part', () => {
    const feed = new Feed({ skip: { gtid: 'g:1', count: 2 } });
    expect(() => feed.begin('g:2')).toThrow(expect.objectContaining({ code: 'SOURCE_WRONG_SERVER' }));
    const cut = new Feed({ pieceBytes: 300 });
    cut.begin('g:1');
    cut.rows(200, 1, 2);
    const skip = cut.assembler.handedOn;
    expect(skip).toMatchObject({ gtid: 'g:1', count: 2 });
    const again = new Feed({ skip });
    again.begin('g:1');
    again.rows(200, 1, 2, 3);
    again.commit();
    expect(again.ids).toEqual([3]);
    const refused = expect.objectContaining({ code: 'SOURCE_WRONG_SERVER' });
    expect(() => new Feed({ skip, time: 2000 }).begin('g:1')).toThrow(refused);
    const other = new Feed({ skip });
    other.begin('g:1');
    expect(() => other.rows(200, 7, 2, 3)).toThrow(refused);
    // as another server has it
    const elsewhere = new Feed({ skip, time: 2000, server: 'other' });
    elsewhere.begin('g:1');
    elsewhere.rows(200, 1, 2, 3);
    expect(elsewhere.parts).toEqual([]);
    const shorter = new Feed({ skip: { gtid: 'g:1', count: 2 } });
    shorter.begin('g:1');
    shorter.rows(100, 1);
    expect(() => shorter.commit()).toThrow(expect.objectContaining({ code: 'SOURCE_WRONG_SERVER' }));
  });

  it('knows the offset behind 4 GiB, of which the server sends 32 bits, and inside MariaDB’s transactions, where it sends none', () => {
    const start = 2 ** 32 - 150;
    const feed = new Feed({ offset: start });
    feed.begin('g:1');
    feed.assembler.rows(feed.next(1000, { hasPosition: false }), inserts(1));
    expect(feed.assembler.place.offset).toBe(start + 1200);
    feed.commit();
    expect(feed.parts.at(-1)?.offset).toBe(start + 1300);
  });

  it('knows where a transaction begins behind others that the server left out', () => {
    const feed = new Feed();
    feed.header(5000);
    feed.assembler.begin(feed.next(), { gtid: 'g:1', isOpen: true });
    feed.assembler.rows(feed.next(1000, { hasPosition: false }), inserts(1));
    expect(feed.assembler.place.rows).toEqual({
      file: 'b.000001',
      offset: 5104,
      transaction: { file: 'b.000001', offset: 5004 },
    });
  });

  it('takes a statement that stands alone for a transaction', () => {
    const feed = new Feed();
    feed.assembler.begin(feed.next(), { gtid: 'g:1', isOpen: false });
    feed.query('CREATE TABLE u (id INT)');
    expect(feed.parts).toMatchObject([{ groups: [], gtid: 'g:1', isFinal: true }]);
  });

  it('leaves out what was rolled back: all of it, and what came after a savepoint', () => {
    const feed = new Feed();
    feed.begin('g:1');
    feed.rows(100, 1);
    feed.query('ROLLBACK');
    feed.begin('g:2');
    feed.rows(100, 2);
    feed.query('SAVEPOINT `s`');
    feed.rows(100, 3);
    feed.query('ROLLBACK TO `s`');
    feed.rows(100, 4);
    feed.commit();
    expect(feed.ids).toEqual([2, 4]);
    expect(feed.parts.map((part) => part.gtid)).toEqual(['g:1', 'g:2']);
  });

  it('L3: stops when something is rolled back that was handed on', () => {
    for (const end of ['ROLLBACK', 'ROLLBACK TO `s`']) {
      const feed = new Feed({ pieceBytes: 300 });
      feed.begin('g:1');
      feed.query('SAVEPOINT `s`');
      feed.rows(300, 1);
      expect(() => feed.query(end)).toThrow(expect.objectContaining({ code: 'SOURCE_UNDECODABLE' }));
    }
  });

  it('leaves out a transaction in which the server died: the file ends inside it', () => {
    const feed = new Feed();
    feed.begin('g:1');
    feed.rows(100, 1);
    feed.assembler.rotate(feed.header(0, { flags: ARTIFICIAL_FLAG }), 'b.000002', 4);
    feed.begin('g:1');
    feed.rows(100, 2);
    feed.commit();
    expect(feed.ids).toEqual([2]);
  });

  it('moves the place behind a prepared XA transaction, and hands its changes on where it is committed', () => {
    const feed = new Feed({ pieceBytes: 300 });
    feed.begin('g:1');
    feed.query("XA START X'78',X'',1");
    feed.query("XA END X'78',X'',1");
    feed.commit();
    expect(feed.parts).toMatchObject([{ groups: [], gtid: 'g:1', offset: 504, isFinal: true }]);
    feed.assembler.begin(feed.next(), { gtid: 'g:2', isOpen: false });
    const end = feed.next();
    feed.assembler.open(end);
    feed.query('SAVEPOINT `s`');
    for (const id of [1, 2, 3]) feed.rows(200, id);
    feed.assembler.commit(end);
    expect(feed.parts.slice(1).map(({ gtid, isFinal }) => [gtid, isFinal])).toEqual([
      ['g:2', false],
      ['g:2', false],
      ['g:2', true],
    ]);
    expect(feed.ids).toEqual([1, 2, 3]);
    feed.assembler.begin(feed.next(), { gtid: 'g:3', isOpen: true });
    feed.query("XA ROLLBACK X'79',X'',1");
    expect(feed.parts.at(-1)).toMatchObject({ groups: [], gtid: 'g:3', isFinal: true });
  });

  it('L3: a change that is logged as a statement stops', () => {
    const feed = new Feed();
    feed.begin('g:1');
    expect(() => feed.query("INSERT INTO t VALUES ('secret')")).toThrow(
      expect.objectContaining({ code: 'SOURCE_STATEMENT_FORMAT', message: expect.not.stringContaining('secret') }),
    );
  });

  it('hands a statement about a whole table on in its place, in front of the changes that follow it in its transaction', () => {
    const feed = new Feed({ pieceBytes: 300 });
    feed.assembler.begin(feed.next(), { gtid: 'g:1', isOpen: false });
    feed.query('TRUNCATE t');
    feed.begin('g:2');
    feed.query('CREATE OR REPLACE TABLE `t` (`id` int)');
    feed.rows(300, 1);
    feed.rows(300, 2);
    feed.commit();
    const dropped = [
      { op: 'drop', schema: 's', table: 't', statement: 'CREATE OR REPLACE TABLE `t`(`id` int)', position: 'b.000001:404' },
    ];
    expect(feed.parts).toMatchObject([
      { gtid: 'g:1', isFinal: true, groups: [], statements: [{ op: 'truncate', table: 't', position: 'b.000001:104' }] },
      { gtid: 'g:2', isFinal: false, statements: dropped },
      { gtid: 'g:2' },
      { gtid: 'g:2', isFinal: true },
    ]);
    expect(feed.parts.map(({ statements }) => statements?.length)).toEqual([1, 1, undefined, undefined]);
    const again = new Feed({ skip: { gtid: 'g:2', count: 1 } });
    again.begin('g:2');
    again.query('CREATE OR REPLACE TABLE `t` (`id` int)');
    again.rows(300, 1);
    again.rows(300, 2);
    again.commit();
    expect(again.parts.map(({ statements }) => statements)).toEqual([undefined]);
    expect(again.ids).toEqual([2]);
  });
});
