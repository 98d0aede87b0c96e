import { describe, expect, test } from 'vitest';
import { judgeBinlog, type BinlogFacts } from '../../src/cli/check/binlog-settings.ts';
import { createDatabase, eachServer, startPrivateServer, connectTo } from '../support/servers.ts';
import { examine, statementsOf } from './examine.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';

const code = "import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: 'Code', run() {} });\n";

function flowYaml(database: string, name: string, more: string, rest: string): string {
  return `kistype: flow
flow_name: ${name}
source: {name: main, tables: [${database}.orders], start: latest, rows: change${more}}
flows: [{fname: F_${name}}]
---
kistype: func
fname: F_${name}
${rest}`;
}

eachServer((flavour, shared) => {
  test('a row image that lacks columns is named for each flow: what it needs, and the SQL that mends it', async () => {
    const server = await startPrivateServer(flavour, { binlog_row_image: 'MINIMAL' });
    const { name, connection } = await createDatabase(server, 'shop');
    await connection.query('CREATE TABLE orders (id INT PRIMARY KEY, total INT, state VARCHAR(9), note TEXT)');
    const { url } = await createDatabase(shared, 'store');
    const filter = (where: string): string => `fmode: Verify\noperator: filter\nwith: {where: '${where}'}\n`;
    const files = {
      'conf/global.yml': globalYaml(url),
      'conf/source.yml': sourceYaml(server.url),
      'conf/copy.yml': mirrorYaml({ flow: 'copy', tables: [`${name}.orders`], key: 'orders_copy' }),
      'conf/byKey.yml': flowYaml(name, 'byKey', '', filter('id > 5')),
      'conf/byState.yml': flowYaml(name, 'byState', '', filter('state == "paid" && id > 1')),
      'conf/coded.yml': flowYaml(name, 'Coded', '', 'fmode: Calculate\n'),
      'conf/coping.yml': flowYaml(name, 'Coping', ', row_image: partial', 'fmode: Calculate\n'),
      'functions/F_Coded.ts': code.replace('Code', 'F_Coded'),
      'functions/F_Coping.ts': code.replace('Code', 'F_Coping'),
      'migrations/1.sql': 'CREATE TABLE orders_copy (id INT PRIMARY KEY, total INT, state VARCHAR(9), note TEXT);',
    };
    const minimal = await examine({ files });
    const found = minimal.findings.filter((finding) => finding.code === 'SOURCE_ROW_IMAGE');
    const of = (flow: string) => found.find(({ subject }) => subject === `flow ${flow}`);
    expect(of('byState')).toMatchObject({
      severity: 'error',
      message: expect.stringMatching(/F_byState \(filter\) reads state, which/),
    });
    expect(of('Coded')).toMatchObject({
      severity: 'error',
      message: expect.stringContaining('F_Coded is code and may need any column'),
    });
    expect(of('Coded')?.remedy).toContain('row_image: partial');
    for (const flow of ['copy', 'byKey', 'Coping']) expect(of(flow), flow).toMatchObject({ severity: 'warning' });
    expect(of('copy')?.message).toMatch(/updates the columns that there are, of rows that are there; it stops at an insert/);
    expect(of('copy')?.message.includes('REPLACE')).toBe(flavour === 'mariadb');
    const root = await connectTo(server);
    await root.query('SET GLOBAL binlog_row_image = NOBLOB');
    const noblob = await examine({ files });
    expect(noblob.findings.filter((finding) => finding.code === 'SOURCE_ROW_IMAGE' && finding.severity === 'error')).toHaveLength(
      1,
    );
    for (const statement of statementsOf(noblob)) if (statement.includes('binlog_row_image')) await root.query(statement);
    expect((await examine({ files })).findings.filter((finding) => finding.code === 'SOURCE_ROW_IMAGE')).toEqual([]);
  }, 60_000);

  test('a schema that the binlog leaves out is named where a flow reads it, and not elsewhere', async () => {
    const server = await startPrivateServer(flavour, { binlog_ignore_db: 'unlogged' });
    const connection = await connectTo(server);
    await connection.query('CREATE DATABASE unlogged; '.replace('; ', ''));
    await connection.query('CREATE DATABASE logged');
    for (const schema of ['unlogged', 'logged']) await connection.query(`CREATE TABLE ${schema}.orders (id INT PRIMARY KEY)`);
    const { url } = await createDatabase(shared, 'store');
    const files = (schema: string) => ({
      'conf/global.yml': globalYaml(url),
      'conf/source.yml': sourceYaml(server.url),
      'conf/copy.yml': mirrorYaml({ flow: 'copy', tables: [`${schema}.orders`], key: 'orders_copy' }),
      'migrations/1.sql': 'CREATE TABLE orders_copy (id INT PRIMARY KEY);',
    });
    const lost = await examine({ files: files('unlogged') });
    expect(lost.of('error')).toEqual(['SOURCE_LOG_FILTERED source main']);
    expect(lost.find('SOURCE_LOG_FILTERED').message).toContain('binlog_ignore_db keeps the changes of unlogged');
    expect((await examine({ files: files('logged') })).of('error')).toEqual([]);
  }, 60_000);
});

describe('what a server says of its binlog', () => {
  const sound: BinlogFacts = {
    flavour: 'mariadb',
    checksum: 'CRC32',
    gtidStrict: 'ON',
    logsReplicated: false,
    isReplica: false,
    only: [],
    ignored: [],
  };
  const tables = [{ id: 'a.t', schema: 'a', name: 't', isView: false, primaryKey: ['id'] }];
  const codesOf = (facts: Partial<BinlogFacts>) =>
    judgeBinlog({ ...sound, ...facts }, { subject: 's', tables }).map(({ code: found, severity }) => `${found} ${severity}`);

  test('each setting that matters is a finding, and nothing else is', () => {
    expect(codesOf({})).toEqual([]);
    expect(codesOf({ isReplica: true })).toEqual(['SOURCE_REPLICA_UNLOGGED error']);
    expect(codesOf({ isReplica: true, logsReplicated: true })).toEqual([]);
    expect(codesOf({ only: ['b'] })).toEqual(['SOURCE_LOG_FILTERED error']);
    expect(codesOf({ only: ['b', 'a'] })).toEqual([]);
    expect(codesOf({ checksum: 'NONE', gtidStrict: 'OFF' })).toEqual(['SOURCE_CHECKSUM_OFF warning', 'SOURCE_GTID_LOOSE info']);
  });
});
