import { readFile } from 'node:fs/promises';
import { describe, expect, inject, test } from 'vitest';
import { exampleFolder } from '../examples/example.ts';
import { createDatabase, eachServer } from '../support/servers.ts';
import { examine, type Examination } from './examine.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';

const nowhere = 'mysql://kis:secret@127.0.0.1:1';
const flowOf = (flow: string, rest: { type: string; addrs: string; params?: string }): string =>
  mirrorYaml({ flow, tables: ['nothing_of_this.*'], key: flow, ...rest });
const base = { 'conf/global.yml': globalYaml(`${nowhere}/store`), 'conf/source.yml': sourceYaml(nowhere) };

function about(examination: Examination, word: string): readonly string[] {
  return examination.findings.filter(({ message }) => message.includes(word)).map(({ code, subject }) => `${code} ${subject}`);
}

describe('the connectors of a configuration', () => {
  test('options that do not fit are errors of the configuration, with what to write', async () => {
    const files = {
      ...base,
      'conf/a.yml': flowOf('a', { type: 'redis', addrs: 'redis://127.0.0.1:1', params: 'kind: list' }),
      'conf/b.yml': flowOf('b', { type: 'redis', addrs: '""' }),
      'conf/c.yml': flowOf('c', { type: 'redis', addrs: '"10.0.0.1:6379,10.0.0.2:6379"' }),
      'conf/d.yml': flowOf('d', { type: 'tidb', addrs: 'somewhere' }),
      'conf/e.yml': flowOf('e', { type: 'nosuch', addrs: 'x' }),
      'connectors/broken.ts': 'export default 42;',
    };
    const examination = await examine({ files });
    expect(examination.code).toBe(78);
    expect(about(examination, 'defineConnector')).toEqual(['CONFIG_INVALID connectors']);
    const { 'connectors/broken.ts': _broken, ...whole } = files;
    const again = await examine({ files: whole });
    expect(again.code).toBe(78);
    for (const words of [
      'params.kind is list',
      'addrs: missing',
      'conn_c: addrs is no address',
      'neither the store',
      '"nosuch" is no connector type',
    ]) {
      expect(about(again, words), words).toEqual(['CONFIG_INVALID configuration']);
    }
  });

  test('a connector whose server does not answer is an error of that connector, and hides nothing else', async () => {
    const files = {
      ...base,
      'conf/a.yml': flowOf('a', { type: 'redis', addrs: 'redis://:secret@127.0.0.1:1' }),
    };
    const examination = await examine({ files });
    expect(examination.code).toBe(1);
    expect(examination.of('error')).toContain('CONNECTOR_FAILED connector conn_a');
    expect(examination.of('error')).toContain('STORE_UNREACHABLE store');
    expect(examination.find('CONNECTOR_FAILED').message).not.toContain('secret');
  });

  test('a kind of the project’s own is known, and its own refusal is an error of the configuration', async () => {
    const kind = await readFile(`${exampleFolder('own-connector')}/connectors/json-lines.ts`, 'utf8');
    const files = { ...base, 'connectors/json-lines.ts': kind, 'conf/a.yml': flowOf('a', { type: 'json-lines', addrs: '""' }) };
    const examination = await examine({ files });
    expect(examination.code).toBe(78);
    expect(about(examination, 'name a folder')).toEqual(['CONFIG_INVALID configuration']);
  });
});

eachServer((_flavour, shared) => {
  test('L1 each flow is told its guarantee: exactly once on the store, at least once on any other server', async () => {
    const { url, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE a (id INT PRIMARY KEY)');
    const redis = inject('servers').redis?.url ?? 'redis://127.0.0.1:1';
    const files = {
      'conf/global.yml': `${globalYaml(url)}redis: {url: "${redis}"}\n`,
      'conf/source.yml': sourceYaml(shared.url),
      'conf/a.yml': flowOf('a', { type: 'mysql', addrs: 'store' }),
      'conf/b.yml': flowOf('b', { type: 'mysql', addrs: `"${shared.url}/elsewhere"` }),
      'conf/c.yml': flowOf('c', { type: 'tidb', addrs: `"${shared.url}/elsewhere"` }),
      'conf/d.yml': flowOf('d', { type: 'redis', addrs: '""' }),
    };
    const examination = await examine({ files });
    const messages = examination.findings
      .filter(({ code }) => code === 'FLOW_GUARANTEE')
      .map(({ subject, message }) => `${subject}: ${message}`);
    expect(messages).toEqual([
      expect.stringMatching(/^flow a: Exactly once/),
      expect.stringMatching(/^flow b: At least once: conn_b \(mysql\)/),
      expect.stringMatching(/^flow c: At least once: conn_c \(tidb\)/),
      expect.stringMatching(/^flow d: At least once: conn_d \(redis\)/),
    ]);
    const [databases] = await connection.query("SHOW DATABASES LIKE 'elsewhere'");
    expect(databases).toEqual([]);
  });
});
