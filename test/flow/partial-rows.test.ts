import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Connector } from '../../src/connector/contract.ts';
import { batchRows } from '../../src/daemon/batch-rows.ts';
import { makeBatch, type RoutedPart, type RowShape } from '../../src/daemon/batch.ts';
import { deadRowsOf } from '../../src/daemon/bad-rows.ts';
import { buildFlow, type StepOptions } from '../../src/flow/build.ts';
import type { FunctionDefinition } from '../../src/flow/contract.ts';
import { Registry } from '../../src/flow/registry.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { groupSize, isChange, sliceGroup, type ChangeGroup, type Row } from '../../src/row/change.ts';
import { partialNoteOf } from '../../src/row/partial-row.ts';
import { codedErrorOf, makeScope } from './scope.ts';

const table = {
  schema: 's',
  name: 't',
  id: 's.t',
  columns: ['id', 'name', 'amount', 'note'].map((name) => ({ name })),
  primaryKey: ['id'],
};
const update: ChangeGroup = {
  op: 'update',
  table,
  before: [{ id: 1 }, { id: 2 }],
  after: [
    { id: 1, amount: 5 },
    { id: 2, amount: 6 },
  ],
  isPartial: true,
};
const insert: ChangeGroup = { op: 'insert', table, after: [{ id: 3, name: 'x' }], isPartial: true };
const noted: ChangeGroup = {
  op: 'update',
  table,
  before: [{ id: 1, name: 'a', amount: 1 }],
  after: [{ id: 1, name: 'b', amount: 5 }],
  isPartial: true,
};
const deletion: ChangeGroup = { op: 'delete', table, before: [{ id: 1 }], isPartial: true };
const whole: ChangeGroup = { op: 'insert', table, after: [{ id: 9, name: 'w', amount: 0, note: null }] };

const start = { server: 's', file: 'binlog.000001', offset: 4, gtid: '', rows: 0 };

function partOf(...groups: readonly ChangeGroup[]): RoutedPart {
  const size = groups.reduce((sum, group) => sum + groupSize(group), 0);
  return { groups, size, server: 's', file: 'binlog.000002', offset: 99, gtid: '', time: 1, bytes: 10, isFinal: true };
}

interface RunOptions {
  readonly shape?: RowShape;
  readonly rowImage?: 'full' | 'partial';
  readonly functions?: readonly FunctionDefinition[];
  readonly takesPartial?: boolean;
}

/** Runs the flow over these groups as a daemon does, and gives the rows that its connector is told to save. */
async function run(
  groups: readonly ChangeGroup[],
  steps: readonly StepOptions[],
  { shape = 'change', rowImage, functions = [], takesPartial = true }: RunOptions = {},
): Promise<unknown[]> {
  const saved: unknown[] = [];
  const registry = new Registry();
  const connector: Connector = {
    name: 'mirror',
    type: 'test',
    guarantee: 'at-least-once',
    takesPartial,
    open: async () => {},
    close: async () => {},
    session: () => ({
      save: async (rows) => void saved.push(...rows),
      load: async () => [{ name: 'x', extra: 'found' }],
      query: async () => [],
    }),
  };
  registry.registerConnector(connector);
  for (const definition of functions) registry.registerFunction(definition);
  const flow = buildFlow({ name: 'f', steps, rowImage }, registry);
  const { rows, hasPartialRows } = batchRows(makeBatch(start, [partOf(...groups)], { hasGtid: false }), shape, {
    takesDefaults: rowImage === 'partial',
  });
  await runFlow(flow, rows, makeScope(), { hasPartialRows });
  return saved;
}

const save: StepOptions = { fname: 'Save', mode: 'Save', connector: 'mirror' };
const code: FunctionDefinition = { name: 'Code', run: (flow, rows) => flow.commitRowBatch(rows) };
const filter = (where: string): StepOptions => ({ fname: 'Only', operator: { kind: 'filter', where } });

const refused = { code: 'SOURCE_ROW_IMAGE', class: 'stop' };

describe('partial rows in a flow', () => {
  test('a batch of whole rows has no partial ones, and its rows no mark', () => {
    const { rows, hasPartialRows } = batchRows(makeBatch(start, [partOf(whole)], { hasGtid: false }), 'after');
    expect(hasPartialRows).toBe(false);
    expect(rows.map(partialNoteOf)).toEqual([undefined]);
  });

  test('a slice of a partial group is partial', () => {
    expect(sliceGroup(update, 1, 2)).toEqual({ ...update, before: [{ id: 2 }], after: [{ id: 2, amount: 6 }] });
    expect(sliceGroup(whole, 0, 1)).not.toHaveProperty('isPartial');
  });

  test('a row says what its images lack, and has no field for it', () => {
    const batch = makeBatch(start, [partOf(update, whole)], { hasGtid: false });
    const [plain] = batchRows(batch, 'after').rows;
    expect(Object.keys(Object(plain))).toEqual(['id', 'amount']);
    const columns = ['name', 'amount', 'note'];
    expect(partialNoteOf(plain)).toMatchObject({ op: 'update', table: 's.t', absent: { columns, meaning: 'unknown' } });
    const [change, , last] = batchRows(batch, 'change').rows;
    expect(change).toMatchObject({ absent: { columns } });
    expect(last).not.toHaveProperty('absent');
  });

  test('a mirror needs no option: its connector is given partial rows of every kind', async () => {
    expect(await run([update, deletion, insert], [save])).toHaveLength(4);
    const saved = await run([update], [save], { shape: 'after' });
    expect(saved.map((row) => partialNoteOf(row)?.position)).toEqual(['binlog.000002:99', 'binlog.000002:99']);
  });

  test('a connector that may make holes is not given partial rows, unless the flow copes with them', async () => {
    const error = await codedErrorOf(run([update], [save], { takesPartial: false }));
    expect(error).toMatchObject({ ...refused, details: { table: 's.t', position: 'binlog.000002:99' } });
    expect(await run([update], [save], { takesPartial: false, rowImage: 'partial' })).toHaveLength(2);
  });

  test('functions with code are not given partial rows, and the error says what, where and what to do', async () => {
    const error = await codedErrorOf(run([update], [{ fname: 'Code' }, save], { functions: [code] }));
    expect(error).toMatchObject(refused);
    expect(error.message).toMatch(
      /^Flow f: function Code needs name, amount, note of s\.t, which the update at binlog\.000002:99 does not have: SET GLOBAL binlog_row_image = FULL .*row_image: partial/,
    );
    expect(await run([whole], [{ fname: 'Code' }, save], { functions: [code] })).toHaveLength(1);
  });

  test('functions of a flow with row_image partial are given the columns that are there', async () => {
    const seen: unknown[] = [];
    const look: FunctionDefinition = { name: 'Code', run: (_flow, rows) => void seen.push(...rows) };
    await run([update], [{ fname: 'Code' }], { functions: [look], rowImage: 'partial', shape: 'after' });
    expect(seen.map((row) => Object.entries(Object(row)))).toEqual(update.after.map((row) => Object.entries(row)));
  });

  test('a field that a function must have stops the flow when the image lacks it, and is a bad row when the row does', async () => {
    const must = { functions: [code], rowImage: 'partial' } as const;
    expect(await codedErrorOf(run([update], [{ fname: 'Code', must: ['name'] }], must))).toMatchObject(refused);
    expect(await codedErrorOf(run([update], [{ fname: 'Code', must: ['nonsense'] }], must))).toMatchObject({ code: 'ROW_INVALID' });
    expect(await codedErrorOf(run([update], [{ ...save, must: ['name'] }]))).toMatchObject(refused);
  });

  test.each<{ shape: RowShape; input: z.ZodType }>([
    { shape: 'after', input: z.object({ id: z.number(), name: z.string() }) },
    { shape: 'change', input: z.object({ after: z.object({ name: z.string() }) }) },
  ])('an input schema that wants an absent column stops the flow (rows: $shape)', async ({ shape, input }) => {
    const functions = [{ ...code, input }];
    const error = await codedErrorOf(run([update], [{ fname: 'Code' }], { functions, rowImage: 'partial', shape }));
    expect(error).toMatchObject({ ...refused, details: { column: 'name' } });
    const wrong = [{ ...code, input: z.object({ id: z.string() }) }];
    const ofRow = await codedErrorOf(run([update], [{ fname: 'Code' }], { functions: wrong, rowImage: 'partial', shape: 'after' }));
    expect(ofRow).toMatchObject({ code: 'ROW_INVALID' });
  });

  test('an operator that reads an absent column stops the flow and names it', async () => {
    expect(await codedErrorOf(run([update], [filter('amount > 5'), save]))).toMatchObject({
      ...refused,
      details: { column: 'amount' },
    });
    expect(await codedErrorOf(run([update], [filter('name == "x" && id > 1'), save], { shape: 'after' }))).toMatchObject({
      details: { column: 'name' },
    });
    const map: StepOptions = {
      fname: 'M',
      operator: { kind: 'map', set: { twice: 'amount + note' }, types: { amount: 'int', note: 'int' } },
    };
    expect(await codedErrorOf(run([update], [map, save], { shape: 'after' }))).toMatchObject({ details: { column: 'note' } });
    const aggregate: StepOptions = {
      fname: 'A',
      connector: 'mirror',
      operator: {
        kind: 'aggregate',
        table: 'x',
        key: { name: 'name' },
        fields: { total: 'sum(amount)' },
        types: { amount: 'int' },
      },
    };
    expect(await codedErrorOf(run([update], [aggregate]))).toMatchObject({ details: { column: 'name, amount' } });
    const dedupe: StepOptions = {
      fname: 'D',
      operator: { kind: 'dedupe', table: undefined, key: ['id'], keep: 'last', rememberMs: undefined },
    };
    expect(await codedErrorOf(run([update], [dedupe]))).toMatchObject({ ...refused, details: { column: 'name, amount, note' } });
  });

  test('an operator that reads only what is there goes on, and its rows are still known to be partial', async () => {
    expect(await run([update], [filter('id > 1'), save])).toHaveLength(1);
    const [mapped] = await run(
      [noted],
      [filter('amount >= 5 && amount < 6 || id == 1'), { fname: 'M', operator: { kind: 'map', set: { label: 'name' } } }, save],
      { shape: 'after' },
    );
    expect(mapped).toMatchObject({ label: 'b' });
    expect(partialNoteOf(mapped)?.absent.columns).toEqual(['note']);
  });

  test('project renames what is absent, and forgets what it drops', async () => {
    const project = (rename: Record<string, string>, drop: string[]): StepOptions => ({
      fname: 'P',
      operator: { kind: 'project', keep: undefined, drop, rename },
    });
    for (const shape of ['after', 'change'] as const) {
      const [renamed] = await run([noted], [project({ note: 'remark' }, []), save], { shape });
      expect(partialNoteOf(renamed)?.absent.columns).toEqual(['remark']);
      const [dropped] = await run([noted], [project({}, ['note']), save], { shape });
      expect(partialNoteOf(dropped)?.absent.columns).toEqual([]);
    }
  });

  test('a Load by a column that is there adds its fields to a row that stays partial; by an absent one it stops the flow', async () => {
    const load = (key: string): StepOptions => ({ fname: 'L', mode: 'Load', connector: 'mirror', params: { key } });
    const [loaded] = await run([insert], [load('name'), save], { shape: 'after' });
    expect(loaded).toMatchObject({ id: 3, extra: 'found' });
    expect(partialNoteOf(loaded)?.absent.columns).toEqual(['amount', 'note']);
    expect(await codedErrorOf(run([update], [load('name'), save], { shape: 'after' }))).toMatchObject(refused);
  });

  test('an update that a filter makes an insert of is no insert whose absent columns are defaults', async () => {
    const [brought] = await run([noted], [filter('amount >= 5'), save], { rowImage: 'partial' });
    expect(brought).toMatchObject({ op: 'insert', absent: { columns: ['note'], meaning: 'unknown' } });
    const [inserted] = await run([insert], [save], { rowImage: 'partial' });
    expect(isChange(inserted) && inserted.absent?.meaning).toBe('default');
    const [strict] = await run([insert], [save]);
    expect(isChange(strict) && strict.absent?.meaning).toBe('unknown');
  });

  test('what is kept of a partial row, dead or waiting, says what is absent', () => {
    const batch = makeBatch(start, [partOf(update)], { hasGtid: false });
    const mark = { index: 0, fname: 'L', code: 'LOAD_ROW_MISSING', message: 'm', stack: undefined, waitMs: 5 } as const;
    for (const kind of ['waiting', 'dead'] as const) {
      const [kept] = deadRowsOf('f', { ...batch, dead: [{ kind, ...mark }] });
      expect(kept?.after).toEqual({ id: 1, amount: 5 } satisfies Row);
      expect(kept?.absent).toEqual(['name', 'amount', 'note']); // of the image before, too
    }
  });
});
