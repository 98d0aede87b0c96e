import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CodedError, defineFunction, loadProject, type FunctionDefinition, type Project } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createDatabase, eachServer, type TestDatabase } from '../support/servers.ts';

const conf = `
kistype: global
store: {url: "\${STORE_URL}"}
---
kistype: flow
status: 1
flow_name: Scores
flows: [{fname: Count}, {fname: Save}]
---
kistype: func
fname: Count
fmode: Calculate
option: {cname: Runs, retry_times: 1, return_duration: 1}
---
kistype: func
fname: Save
fmode: Save
option: {cname: Scores}
---
kistype: conn
cname: Runs
type: mysql
addrs: store
key: runs
---
kistype: conn
cname: Scores
type: mysql
addrs: store
key: scores
`;

eachServer((_flavour, server) => {
  let dir = '';
  let database: TestDatabase;
  let project: Project | undefined;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kisflow-project-'));
    await mkdir(join(dir, 'conf'));
    await writeFile(join(dir, 'conf/all.yml'), conf);
    database = await createDatabase(server);
    await database.connection.query(
      'CREATE TABLE runs (id INT PRIMARY KEY, n INT NOT NULL); CREATE TABLE scores (id INT PRIMARY KEY, score INT NOT NULL)',
    );
    await database.connection.query('INSERT INTO runs VALUES (1, 0)');
  });
  afterEach(async () => {
    await project?.close();
    await rm(dir, { recursive: true });
  });

  /** Counts each try in the store, then fails as often as told, then passes its rows on. */
  const countAndFail = (failures: number): FunctionDefinition => {
    let left = failures;
    return defineFunction({
      name: 'Count',
      async run(flow, rows) {
        await flow.getConnector().query('UPDATE runs SET n = n + 1 WHERE id = 1');
        left -= 1;
        if (left >= 0) throw new Error('flaky');
        flow.commitRowBatch(rows);
      },
    });
  };
  const load = async (count: FunctionDefinition): Promise<void> => {
    project = await loadProject({
      conf: join(dir, 'conf'),
      functions: [count],
      env: { STORE_URL: database.url },
      logger: silentLogger,
    });
  };
  const run = async (...rows: readonly unknown[]): Promise<unknown> => {
    const flow = project?.getFlow('Scores');
    flow?.commitRowBatch(rows);
    return flow?.run();
  };
  const stored = async (): Promise<unknown> => {
    const [runs] = await database.connection.query('SELECT n FROM runs');
    const [scores] = await database.connection.query('SELECT id, score FROM scores ORDER BY id');
    return { runs, scores };
  };

  test('L1: a flow of a conf directory saves into the configured store, all of a run or nothing', async () => {
    await load(countAndFail(0));
    await run({ id: 1, score: 90 }, '{"id":2,"score":76}');
    const afterFirst = {
      runs: [{ n: 1 }],
      scores: [
        { id: 1, score: 90 },
        { id: 2, score: 76 },
      ],
    };
    expect(await stored()).toEqual(afterFirst);
    await expect(run({ id: 3, score: 1 }, { id: 4, score: null })).rejects.toMatchObject({
      code: 'STORE_CONSTRAINT',
      class: 'row',
    });
    expect(await stored()).toEqual(afterFirst);
  });

  test('L1: an increment of a failed try is not doubled by the try that succeeds', async () => {
    await load(countAndFail(1));
    await run({ id: 1, score: 90 });
    expect(await stored()).toEqual({ runs: [{ n: 1 }], scores: [{ id: 1, score: 90 }] });
  });

  test('L1: a function that fails every time leaves nothing', async () => {
    await load(countAndFail(9));
    await expect(run({ id: 1, score: 90 })).rejects.toBeInstanceOf(CodedError);
    expect(await stored()).toEqual({ runs: [{ n: 0 }], scores: [] });
  });
});
