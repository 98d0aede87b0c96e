import { describe, expect, test } from 'vitest';
import { createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { startHalfOpenProxy } from '../support/half-open-proxy.ts';
import { check } from '../../src/cli/check.ts';
import { examine } from './examine.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { runCommand } from './run-command.ts';

const nowhere = 'mysql://kis:secret@127.0.0.1:1';

describe('the configuration', () => {
  test('ten mistakes in files and functions are ten errors at once, with file and path, and exit code 78', async () => {
    const files = {
      'conf/global.yml': `kistype: global\nstore: {url: "postgres://x/y"}\nhtpp: {listen: x}\n`,
      'conf/source.yml': 'kistype: source\nname: main\ntype: oracle\nurl: ${NOT_SET_ANYWHERE}\n',
      'conf/flow.yml':
        'kistype: flow\nflow_name: a\nsource: {name: mian, tables: [orders], start: sometime}\nflows: [{fname: nobody}]\n',
      'conf/func.yml': 'kistype: func\nfname: f\nfmode: Calcluate\n',
      'functions/broken.ts': 'export default 42;',
      'functions/thrower.ts': 'throw new Error("at load");',
    };
    const { code, out } = await runCommand(check, { files });
    expect(code).toBe(78);
    const count = Number(/(\d+) errors, 0 warnings$/.exec(out)?.[1]);
    expect(count).toBeGreaterThanOrEqual(10);
    for (const place of [
      'conf/global.yml:2: store.url',
      'conf/source.yml:3: type',
      'conf/flow.yml:3: source.tables[0]',
      'conf/func.yml:3: fmode',
    ]) {
      expect(out).toContain(place);
    }
    expect(out).toMatch(/functions\/broken\.ts: .*defineFunction/);
    expect(out).toContain('functions/thrower.ts');
  });

  test('L9 L10 a cycle and two owners of one column are errors of the configuration', async () => {
    const files = {
      'conf/global.yml': globalYaml(`${nowhere}/store`),
      'conf/source.yml': sourceYaml(nowhere),
      'conf/a.yml': mirrorYaml({ flow: 'a', tables: ['store.y'], key: 'x' }),
      'conf/b.yml': mirrorYaml({ flow: 'b', tables: ['store.x'], key: 'y' }),
      'conf/c.yml': mirrorYaml({ flow: 'c', tables: ['shop.orders'], key: 'y' }),
    };
    const examination = await examine({ files });
    expect(examination.code).toBe(78);
    expect(examination.of('error')).toEqual(['FLOW_CYCLE configuration', 'FLOW_OWNER_CLASH configuration']);
  });

  test('a connector type that is not built yet is an error of the configuration, and the servers are examined all the same', async () => {
    const files = {
      'conf/global.yml': globalYaml(`${nowhere}/store`),
      'conf/source.yml': sourceYaml(nowhere),
      'conf/a.yml': mirrorYaml({ flow: 'a', tables: ['shop.orders'], key: 'x', type: 'kafka', addrs: '"kafka:9092"' }),
    };
    const examination = await examine({ files });
    expect(examination.code).toBe(78);
    expect(examination.of('error')).toEqual([
      'CONFIG_INVALID configuration',
      'SOURCE_UNREACHABLE source main',
      'STORE_UNREACHABLE store',
    ]);
  });

  test('a configuration without a flow to run is a warning, and ends with 0', async () => {
    const files = { 'conf/a.yml': 'kistype: flow\nflow_name: byhand\nflows: []\n' };
    const examination = await examine({ files });
    expect(examination.of('warning')).toEqual(['FLOW_NONE configuration']);
    expect(examination.code).toBe(0);
  });
});

eachServer((flavour, shared) => {
  test('L9 a cycle through one server under two addresses is found by the servers themselves', async () => {
    const { name, url, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE x (id INT PRIMARY KEY); CREATE TABLE y (id INT PRIMARY KEY)');
    const proxy = await startHalfOpenProxy(shared);
    const other = shared.url.replace(`:${shared.port}`, `:${proxy.port}`);
    const files = {
      'conf/global.yml': globalYaml(url),
      'conf/source.yml': sourceYaml(other),
      'conf/a.yml': mirrorYaml({ flow: 'a', tables: [`${name}.y`], key: 'x' }),
      'conf/b.yml': mirrorYaml({ flow: 'b', tables: [`${name}.x`], key: 'y' }),
    };
    const examination = await examine({ files });
    expect(examination.code).toBe(1);
    expect(examination.of('error')).toEqual(['FLOW_CYCLE flow a']);
    expect(examination.find('FLOW_CYCLE').message).toBe(`The flow reads what it writes: a → ${name}.x → b → ${name}.y → a.`);
    expect(examination.of('warning')).toContain('SERVER_TWO_ADDRESSES source main');
  });

  test('two MariaDB servers with one server_id are told, two MySQL servers are not: they have a uuid', async () => {
    const source = await startPrivateServer(flavour, { server_id: 9 });
    const store = await startPrivateServer(flavour, { server_id: 9 });
    const files = {
      'conf/global.yml': globalYaml(`${store.url}/store`),
      'conf/source.yml': sourceYaml(source.url),
      'conf/a.yml': mirrorYaml({ flow: 'a', tables: ['shop.*'], key: 'x' }),
      'migrations/1.sql': 'CREATE TABLE x (id INT PRIMARY KEY);',
    };
    const shown = (await examine({ files })).of('warning');
    expect(shown.includes('SERVER_ID_SHARED source main')).toBe(flavour === 'mariadb');
  });

  test('L1 each flow is told its guarantee, and which connector weakens it', async () => {
    const { url, connection } = await createDatabase(shared, 'store');
    await connection.query('CREATE TABLE x (id INT PRIMARY KEY)');
    const files = {
      'conf/global.yml': globalYaml(url),
      'conf/source.yml': sourceYaml(shared.url),
      'conf/a.yml': mirrorYaml({ flow: 'a', tables: ['nothing_of_this.*'], key: 'x' }),
      'conf/b.yml': mirrorYaml({ flow: 'b', tables: ['nothing_of_this.*'], key: 'x', type: 'memory', addrs: '""' }),
    };
    const messages = (await examine({ files })).findings
      .filter(({ code }) => code === 'FLOW_GUARANTEE')
      .map(({ subject, message }) => `${subject}: ${message}`);
    expect(messages).toEqual([
      expect.stringMatching(/^flow a: Exactly once/),
      expect.stringMatching(/^flow b: At least once: conn_b \(memory\)/),
    ]);
  });
});
