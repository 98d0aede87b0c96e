import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChangeGroup, Row, Table } from '../../src/row/change.ts';
import type { Chunk, Key, SnapshotTable } from '../../src/snapshot/contract.ts';
import { TableMerge, type ReadKeys } from '../../src/snapshot/table-merge.ts';

const table: Table = {
  schema: 'shop',
  name: 't',
  id: 'shop.t',
  columns: [{ name: 'id' }, { name: 'v' }],
  primaryKey: ['id'],
};
const snapshotTable: SnapshotTable = {
  table,
  key: [{ name: 'id', type: 'int', charset: '', collation: '', isDescending: false }],
  rowsEstimate: 0,
  rowBytes: 0,
};
const head = { server: '', file: 'binlog.000001', offset: 4, gtid: '', rows: 0 };

type State = ReadonlyMap<number, number>;

/** A table with its history: what it was behind each change. */
class Server {
  readonly changes: ChangeGroup[] = [];
  readonly states: State[] = [new Map()];

  get now(): State {
    return this.states.at(-1) ?? new Map();
  }

  /** Inserts, changes, moves or removes a row, whatever there is at that key. */
  write({ kind, id, to, v }: Write): void {
    const state = new Map(this.now);
    const row = (key: number): Row => ({ id: key, v: state.get(key) ?? 0 });
    if (!state.has(id)) {
      this.changes.push({ op: 'insert', table, after: [{ id, v }] });
      state.set(id, v);
    } else if (kind === 'delete') {
      this.changes.push({ op: 'delete', table, before: [row(id)] });
      state.delete(id);
    } else {
      const target = kind === 'move' && !state.has(to) ? to : id;
      this.changes.push({ op: 'update', table, before: [row(id)], after: [{ id: target, v }] });
      state.delete(id);
      state.set(target, v);
    }
    this.states.push(state);
  }
}

/** A flow that believes nothing: each change must fit what it has. */
class StrictFlow {
  readonly rows = new Map<number, number>();

  receive(group: ChangeGroup, i: number): void {
    const before = group.op === 'insert' ? undefined : group.before[i];
    const after = group.op === 'delete' ? undefined : group.after[i];
    if (before !== undefined) {
      expect(this.rows.get(Number(before.id)), `before of ${JSON.stringify(before)}`).toBe(before.v);
      this.rows.delete(Number(before.id));
    }
    if (after !== undefined) {
      expect(this.rows.has(Number(after.id)), `there is a ${JSON.stringify(after)} already`).toBe(false);
      this.rows.set(Number(after.id), Number(after.v));
    }
  }
}

interface Write {
  readonly kind: 'write' | 'delete' | 'move';
  readonly id: number;
  readonly to: number;
  readonly v: number;
}

type Action =
  | ({ readonly do: 'write' } & Write)
  | { readonly do: 'stream'; readonly count: number }
  | { readonly do: 'begin' }
  /** `lag`: how many changes ago the read saw the table. */
  | { readonly do: 'finish'; readonly lag: number; readonly rows: number }
  | { readonly do: 'merge' }
  | { readonly do: 'crash'; readonly part: number };

interface Read {
  readonly stamp: number;
  readonly since: number;
  /** Behind which key it reads. */
  readonly after: number;
  chunk: { readonly head: number; readonly chunk: Chunk } | undefined;
}

/** Server, stream, merge and flow, moved by actions one after another. */
class Scene {
  readonly server = new Server();
  readonly flow = new StrictFlow();
  #streamed = 0;
  #merge: TableMerge;
  #reads: Read[] = [];
  readonly #isAsync: boolean;

  constructor(writes: readonly Write[], isAsync: boolean) {
    for (const write of writes) this.server.write(write);
    this.#streamed = this.server.changes.length; // the flow begins here
    this.#isAsync = isAsync;
    this.#merge = this.#begin({ cursor: undefined, done: [] });
  }

  get isRead(): boolean {
    return this.#merge.isRead;
  }

  async act(action: Action): Promise<void> {
    switch (action.do) {
      case 'write':
        return this.server.write(action);
      case 'stream':
        for (let i = 0; i < action.count; i += 1) await this.#stream();
        return;
      case 'begin':
        return this.#beginRead();
      case 'finish':
        return this.#finishRead(action);
      case 'merge':
        return this.#mergeHead(1);
      case 'crash':
        return this.#mergeHead(action.part, true);
      default:
        return action satisfies never;
    }
  }

  #begin(read: ReadKeys): TableMerge {
    this.#reads = [];
    const areUpTo = (keys: readonly Key[], bound: Key): readonly boolean[] => keys.map((key) => Number(key[0]) <= Number(bound[0]));
    return new TableMerge({
      table: snapshotTable,
      mode: 'first',
      read,
      areUpTo: this.#isAsync ? async (keys, bound) => areUpTo(keys, bound) : areUpTo,
    });
  }

  async #stream(): Promise<void> {
    const change = this.server.changes[this.#streamed];
    if (change === undefined) return;
    this.#streamed += 1;
    const [sifted] = await this.#merge.sift([change], { isReading: this.#reads.length > 0 });
    const unread = new Set(sifted?.unread);
    for (const [i, group] of (sifted?.groups ?? []).entries()) if (!unread.has(i)) this.flow.receive(group, 0);
  }

  #beginRead(): void {
    const last = this.#reads.at(-1);
    if (this.isRead || this.#reads.length > 1 || (last !== undefined && last.chunk?.chunk.isLast !== false)) return;
    const after = Number(last?.chunk?.chunk.rows.at(-1)?.id ?? this.#merge.read.cursor?.[0] ?? -1);
    this.#reads.push({ stamp: this.#merge.stamp(), since: this.#streamed, after, chunk: undefined });
  }

  #finishRead({ lag, rows }: { readonly lag: number; readonly rows: number }): void {
    const read = this.#reads.find(({ chunk }) => chunk === undefined);
    if (read === undefined) return;
    const now = this.server.changes.length;
    const seen = Math.max(read.since, now - lag);
    const { after } = read;
    const found = [...(this.server.states[seen] ?? new Map<number, number>())]
      .filter(([id]) => id > after)
      .toSorted(([a], [b]) => a - b)
      .map(([id, v]): Row => ({ id, v }));
    const chunk: Chunk = { rows: found.slice(0, rows), isLast: found.length < rows, bytes: 0, head, time: 0 };
    read.chunk = { head: now, chunk };
  }

  /** Merges the chunk that was read, where the stream has passed its head, and commits so much of it before what follows. */
  async #mergeHead(part: number, isCrash = false): Promise<void> {
    const [read] = this.#reads;
    const before = this.#merge.read;
    if (read?.chunk === undefined || this.#streamed < read.chunk.head || this.isRead) {
      if (isCrash && !this.isRead) this.#merge = this.#begin(before);
      return;
    }
    const merged = await this.#merge.merge(read.chunk.chunk, this.#reads[1]?.stamp);
    this.#reads = this.#reads.slice(1);
    if (merged === undefined) return;
    const done = Math.floor(merged.rows.length * part);
    const rows = merged.rows.slice(0, done);
    const isWhole = done === merged.rows.length && !isCrash;
    for (const row of rows) this.flow.receive({ op: 'insert', table, after: [row] }, 0);
    if (!isWhole) this.#merge = this.#begin({ cursor: before.cursor, done: [...before.done, ...merged.keys.slice(0, done)] });
  }

  /** Reads what is left, and lets the stream come to its end. */
  async end(): Promise<void> {
    for (let i = 0; !this.isRead; i += 1) {
      expect(i, 'chunks').toBeLessThan(1000);
      this.#beginRead();
      this.#finishRead({ lag: 0, rows: 5 });
      await this.act({ do: 'stream', count: this.server.changes.length - this.#streamed });
      await this.#mergeHead(1);
    }
    await this.act({ do: 'stream', count: this.server.changes.length - this.#streamed });
  }
}

const id = fc.integer({ min: 0, max: 12 });
const write = fc.record({
  kind: fc.constantFrom('write' as const, 'write' as const, 'delete' as const, 'move' as const),
  id,
  to: id,
  v: fc.integer({ min: 0, max: 999 }),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: write.map((one) => ({ do: 'write' as const, ...one })) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stream' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'begin' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      lag: fc.integer({ min: 0, max: 6 }),
      rows: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'merge' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }) },
);

test('L1 L2: whatever a table becomes while it is read, and wherever the process dies, a flow receives each row once and every change of it from there on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 20, size: 'max' }),
      fc.array(action, { minLength: 20, maxLength: 100, size: 'max' }),
      fc.boolean(),
      async (first, actions, isAsync) => {
        const scene = new Scene(first, isAsync);
        for (const one of actions) await scene.act(one);
        await scene.end();
        expect(new Map([...scene.flow.rows].toSorted(([a], [b]) => a - b))).toEqual(
          new Map([...scene.server.now].toSorted(([a], [b]) => a - b)),
        );
      },
    ),
    { numRuns: 1000 },
  );
});
