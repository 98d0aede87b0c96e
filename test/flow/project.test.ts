import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  ActionAbort,
  ActionForceEntryNext,
  ActionJumpFunc,
  createFlow,
  defineFunction,
  isChange,
  loadProject,
  MemoryConnector,
  Registry,
  reuse,
  type Change,
  type FlowContext,
  type FunctionDefinition,
  type PlainRow,
  type StoreTransaction,
} from '../../src/index.ts';
import type { MissingPolicy } from '../../src/flow/contract.ts';
import { codedErrorOf, makeMemory, makeScope } from './scope.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kisflow-project-'));
  await mkdir(join(dir, 'conf'));
  await mkdir(join(dir, 'functions'));
});
afterEach(() => rm(dir, { recursive: true }));

const score = z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() });
const scores = [
  '{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}',
  '{"stu_id":102, "score_1":100, "score_2":70, "score_3":60}',
];

const avgStuScore = defineFunction({
  name: 'AvgStuScore',
  input: score,
  run(flow, rows) {
    for (const row of rows) flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
  },
});

/** PrintStuAvgScore, with the lines in a list instead of on the screen. */
function printInto(lines: string[]): FunctionDefinition {
  return defineFunction({
    name: 'PrintStuAvgScore',
    run(_flow, rows) {
      for (const row of rows) lines.push(`stuid: [${String(row.stu_id)}], avg score: [${String(row.avg_score)}]`);
    },
  });
}

const published = ['stuid: [101], avg score: [90]', 'stuid: [102], avg score: [76.66666666666667]'];

describe('KisFlow’s published examples give the results they give in Go', () => {
  test('quick start: a flow built from code', async () => {
    const lines: string[] = [];
    const flow = createFlow({
      name: 'CalStuAvgScore',
      steps: [
        { fname: 'AvgStuScore', mode: 'Calculate' },
        { fname: 'PrintStuAvgScore', mode: 'Expand' },
      ],
      functions: [avgStuScore, printInto(lines)],
    });
    flow.commitRowBatch(scores);
    await flow.run();
    expect(lines).toEqual(published);
  });

  test('quick start with config: a flow from a conf directory, its functions from files', async () => {
    await writeConf();
    await writeFile(
      join(dir, 'functions/avg.ts'),
      `
      import { defineFunction } from 'kisflow';
      export default defineFunction({
        name: 'AvgStuScore',
        run(flow, rows) {
          for (const row of rows) {
            const [a, b, c] = [row.score_1, row.score_2, row.score_3].map(Number) as [number, number, number];
            flow.commitRow({ stu_id: row.stu_id, avg_score: (a + b + c) / 3 });
          }
        },
      });`,
    );
    await writeFile(
      join(dir, 'functions/print.mjs'),
      `
      import { defineFunction } from 'kisflow';
      export default defineFunction({ name: 'PrintStuAvgScore', async run(flow, rows) { await flow.getConnector().save(rows); } });`,
    );
    const store = new MemoryConnector({ name: 'Scores', type: 'memory', addrs: '', key: '', params: { primary_key: 'stu_id' } });
    await writeFile(
      join(dir, 'conf/func-print.yml'),
      'kistype: func\nfname: PrintStuAvgScore\nfmode: Expand\nsource: {name: S, must: [stu_id]}\noption: {cname: Scores}\n',
    );
    await writeFile(join(dir, 'conf/conn.yml'), 'kistype: conn\ncname: Scores\ntype: redis\naddrs: x\nkey: y\n');
    const project = await loadProject({ conf: join(dir, 'conf'), functions: join(dir, 'functions'), connectors: [store] });
    const flow = project.getFlow('CalStuAvgScore');
    for (const row of scores) flow.commitRow(row);
    await flow.run();
    expect(store.rows()).toEqual([
      { stu_id: 101, avg_score: 90 },
      { stu_id: 102, avg_score: 76.66666666666667 },
    ]);
    await project.close();
  });

  test('the action examples call the functions that they call there', async () => {
    const called: string[] = [];
    const tell = (name: string, run: (flow: FlowContext) => void): FunctionDefinition =>
      defineFunction({
        name,
        run(flow, rows) {
          called.push(`${name}:${rows.length}`);
          run(flow);
        },
      });
    let jumps = 0;
    const functions = [
      tell('funcName1', (flow) =>
        flow.commitRowBatch(flow.input.map((_row, index) => `data from funcName[funcName1], index = ${index}`)),
      ),
      tell('abortFunc', (flow) => flow.next(ActionAbort)),
      tell('dataReuseFunc', (flow) => {
        flow.commitRow('dropped');
        flow.next(reuse());
      }),
      tell('noResultFunc', (flow) => flow.next(ActionForceEntryNext)),
      tell('jumpFunc', (flow) => {
        jumps += 1;
        if (jumps < 2) flow.next(ActionJumpFunc('funcName1'));
      }),
      tell('funcName3', () => {}),
    ];
    const runWith = async (...names: readonly string[]): Promise<string> => {
      called.length = 0;
      const flow = createFlow({ name: 'f', steps: names.map((fname) => ({ fname })), functions });
      flow.commitRowBatch(['This is Data1 from Test', 'This is Data2 from Test', 'This is Data3 from Test']);
      await flow.run();
      return called.join(' ');
    };
    expect(await runWith('funcName1', 'abortFunc', 'funcName3')).toBe('funcName1:3 abortFunc:3');
    expect(await runWith('funcName1', 'dataReuseFunc', 'funcName3')).toBe('funcName1:3 dataReuseFunc:3 funcName3:3');
    expect(await runWith('funcName1', 'noResultFunc', 'funcName3')).toBe('funcName1:3 noResultFunc:3 funcName3:0');
    expect(await runWith('funcName1', 'jumpFunc')).toBe('funcName1:3 jumpFunc:3 funcName1:3 jumpFunc:3');
  });
});

/** The published configuration, with one parameter more. */
async function writeConf(status = 1): Promise<void> {
  const files = {
    'flow.yml': `kistype: flow\nstatus: ${status}\nflow_name: CalStuAvgScore\nflows:\n  - fname: AvgStuScore\n    params: {scale: "2"}\n  - fname: PrintStuAvgScore\n`,
    'func-avg.yml':
      'kistype: func\nfname: AvgStuScore\nfmode: Calculate\nsource: {name: S, must: [stu_id]}\noption: {default_params: {scale: "9", unit: points}}\n',
    'func-print.yml': 'kistype: func\nfname: PrintStuAvgScore\nfmode: Expand\nsource: {name: S, must: [stu_id]}\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'conf', name), text);
}

describe('a project', () => {
  test('a function’s parameters are its defaults overlaid by the flow’s', async () => {
    await writeConf();
    let seen: unknown;
    const functions = [
      defineFunction({
        name: 'AvgStuScore',
        run(flow) {
          seen = flow.params;
        },
      }),
      printInto([]),
    ];
    const project = await loadProject({ conf: join(dir, 'conf'), functions });
    project.getFlow('CalStuAvgScore').commitRow(scores[0]);
    await project.getFlow('CalStuAvgScore').run();
    expect(seen).toEqual({ scale: '2', unit: 'points' });
  });

  test('functions come from files, from code, and from both; one that is in both is CONFIG_INVALID', async () => {
    await writeConf();
    const file = `import { defineFunction } from 'kisflow';
      export default defineFunction({ name: 'AvgStuScore', run(flow, rows) { flow.commitRow({ stu_id: 1, avg_score: rows.length }); } });`;
    await writeFile(join(dir, 'functions/avg.ts'), file);
    const lines: string[] = [];
    const both = [join(dir, 'functions'), printInto(lines)];
    const project = await loadProject({ conf: join(dir, 'conf'), functions: both });
    project.getFlow('CalStuAvgScore').commitRowBatch(scores);
    await project.getFlow('CalStuAvgScore').run();
    expect(lines).toEqual(['stuid: [1], avg score: [2]']);
    const twice = await codedErrorOf(loadProject({ conf: join(dir, 'conf'), functions: [...both, avgStuScore] }));
    expect(twice.message).toMatch(/two functions named AvgStuScore/);
  });

  test('a flow of status 0 is loaded and runs nothing', async () => {
    await writeConf(0);
    const lines: string[] = [];
    const project = await loadProject({ conf: join(dir, 'conf'), functions: [avgStuScore, printInto(lines)] });
    project.getFlow('CalStuAvgScore').commitRowBatch(scores);
    expect(await project.getFlow('CalStuAvgScore').run()).toEqual({ steps: [] });
    expect(lines).toEqual([]);
  });

  test('a flow that is not there, and a function without code, are CONFIG_INVALID', async () => {
    await writeConf();
    const project = await loadProject({ conf: join(dir, 'conf'), functions: [avgStuScore, printInto([])] });
    expect(() => project.getFlow('Other')).toThrow(/There is no flow Other/);
    expect((await codedErrorOf(loadProject({ conf: join(dir, 'conf'), functions: [avgStuScore] }))).code).toBe('CONFIG_INVALID');
  });
});

describe('a flow built from code', () => {
  test('all missing names are reported at once', () => {
    const steps = [{ fname: 'a' }, { fname: 'b', mode: 'Save' as const, connector: 'none' }, { fname: 'c', mode: 'Load' as const }];
    expect(() => createFlow({ name: 'f', steps })).toThrow(/function a has no code[^]*connector none[^]*function c has no code/);
  });

  test('a name is registered once', () => {
    const registry = new Registry();
    registry.registerFunction(avgStuScore);
    expect(() => registry.registerFunction(avgStuScore)).toThrow(/two functions named AvgStuScore/);
  });

  test('each run takes the rows committed since the last one, and forks have rows of their own', async () => {
    const counts: number[] = [];
    const flow = createFlow({
      name: 'f',
      steps: [{ fname: 'n' }],
      functions: [defineFunction({ name: 'n', run: (_flow, rows) => void counts.push(rows.length) })],
    });
    const fork = flow.fork();
    flow.commitRowBatch([1, 2]);
    fork.commitRow(1);
    await Promise.all([flow.run(), flow.run(), fork.run()]);
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  test('a Save and a Load need no code: saved rows go on, loaded ones are merged into the rows', async () => {
    const [students, results] = [
      makeMemory({ primary_key: 'stu_id' }),
      new MemoryConnector({ name: 'results', type: 'memory', addrs: '', key: '', params: {} }),
    ];
    const common = { connectors: [students, results] };
    const saving = createFlow({ ...common, name: 's', steps: [{ fname: 'save', mode: 'Save', connector: 'table' }] });
    saving.commitRowBatch(['{"stu_id":1,"name":"Ann"}', { stu_id: 2, name: 'Bo' }]);
    expect((await saving.run()).steps).toEqual([{ fname: 'save', rowsIn: 2, rowsOut: 2 }]);
    const loading = createFlow({
      ...common,
      name: 'l',
      steps: [
        { fname: 'load', mode: 'Load', connector: 'table', params: { key: 'stu_id' } },
        { fname: 'save', mode: 'Save', connector: 'results' },
      ],
    });
    loading.commitRowBatch([
      { id: 1, stu_id: '2', name: 'old' },
      { id: 2, stu_id: 3 },
      { id: 3, stu_id: 1 },
      { id: 4, stu_id: 1 },
    ]);
    await loading.run();
    expect(results.rows()).toEqual([
      { id: 1, stu_id: 2, name: 'Bo' },
      { id: 2, stu_id: 3 },
      { id: 3, stu_id: 1, name: 'Ann' },
      { id: 4, stu_id: 1, name: 'Ann' },
    ]);
  });

  test('all five modes run their code, and a function knows its own', async () => {
    const modes = ['Verify', 'Load', 'Calculate', 'Save', 'Expand'] as const;
    const seen: unknown[] = [];
    const functions = modes.map((mode) =>
      defineFunction({
        name: `F${mode}`,
        run(flow, rows) {
          seen.push([flow.functionName, flow.functionMode]);
          flow.commitRowBatch(rows);
        },
      }),
    );
    const flow = createFlow({ name: 'f', steps: modes.map((mode) => ({ fname: `F${mode}`, mode })), functions });
    flow.commitRow({ id: 1 });
    await flow.run();
    expect(seen).toEqual(modes.map((mode) => [`F${mode}`, mode]));
  });

  test.each([
    ['dead-row', 'row'],
    ['wait', 'retry'],
  ] as const)(
    'a Load that finds nothing passes the row on, unless missing says %s: then it names every such row',
    async (kind, errorClass) => {
      const load = { fname: 'load', mode: 'Load' as const, connector: 'table', params: { key: 'stu_id' } };
      const students = makeMemory({ primary_key: 'stu_id' });
      await students.session(makeScope()).save([{ stu_id: 1, name: 'Ann' }]);
      const runWith = async (missing?: MissingPolicy) => {
        const flow = createFlow({ name: 'l', steps: [{ ...load, missing }], connectors: [students] });
        flow.commitRowBatch([{ stu_id: 1 }, { stu_id: 2 }, { stu_id: 3 }]);
        return flow.run();
      };
      expect((await runWith()).steps).toEqual([{ fname: 'load', rowsIn: 3, rowsOut: 3 }]);
      const error = await codedErrorOf(runWith({ kind, waitMs: 50 }));
      expect(error).toMatchObject({ code: 'LOAD_ROW_MISSING', class: errorClass, rows: [{ index: 1 }, { index: 2 }] });
      expect(error.message).toBe('Flow l, function load: nothing in connector table has {"stu_id":2} (and 1 more rows)');
    },
  );

  test('a run with a store is one transaction of it', async () => {
    const log: string[] = [];
    const store: StoreTransaction = {
      flavour: 'mysql',
      database: 'd',
      maxPacketBytes: 1e6,
      query: async () => ({ rows: [], affectedRows: 0 }),
    };
    const runInTransaction = async <T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> => {
      log.push('begin');
      try {
        const result = await work(store);
        log.push('commit');
        return result;
      } catch (error) {
        log.push('rollback');
        throw error;
      }
    };
    const failing = defineFunction({
      name: 'n',
      run(_flow, rows) {
        if (rows.length === 0) throw new Error('none');
      },
    });
    const flow = createFlow({ name: 'f', steps: [{ fname: 'n' }], functions: [failing], runInTransaction });
    flow.commitRow(1);
    await flow.run();
    await codedErrorOf(flow.run());
    expect(log).toEqual(['begin', 'commit', 'begin', 'rollback']);
  });

  test('rows have the type of the schema, of the declaration, or of any record', () => {
    defineFunction({
      name: 'a',
      input: score,
      run(_flow, rows) {
        expectTypeOf(rows).toEqualTypeOf<readonly z.infer<typeof score>[]>();
      },
    });
    defineFunction({
      name: 'b',
      run(_flow, rows) {
        expectTypeOf(rows).toEqualTypeOf<readonly PlainRow[]>();
      },
    });
    defineFunction<Change>({
      name: 'c',
      run(_flow, rows) {
        expectTypeOf(rows).toEqualTypeOf<readonly Change[]>();
      },
    });
    expect(isChange({})).toBe(false);
  });
});
