import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConnectorKinds } from '../../src/flow/connector-loader.ts';
import { createFolder } from '../support/daemon-process.ts';
import { codedErrorOf } from './scope.ts';

const kindOf = (type: string): string =>
  `import { defineConnector, MemoryConnector } from 'kisflow';
   export default defineConnector({ type: '${type}', make: (options) => new MemoryConnector(options) });\n`;

describe('connector files', () => {
  test('each file is a kind of connector, loaded without a build step', async () => {
    const dir = await createFolder({ 'a.ts': kindOf('mine'), 'b.mjs': kindOf('yours'), 'a.test.ts': 'throw 1', 'notes.md': '' });
    const loaded = await loadConnectorKinds(dir, ['mysql']);
    expect(loaded.map(({ kind, file }) => [kind.type, file])).toEqual([
      ['mine', join(dir, 'a.ts')],
      ['yours', join(dir, 'b.mjs')],
    ]);
    const connector = loaded[0]?.kind.make({ name: 'c', type: 'mine', addrs: '', key: '', params: {} });
    expect(connector).toMatchObject({ name: 'c', guarantee: 'at-least-once' });
  });

  test('all mistakes of all files are one CONFIG_INVALID: no kind, a type taken twice, a type of kisflow itself', async () => {
    const dir = await createFolder({
      'a.ts': kindOf('mine'),
      'b.ts': kindOf('mine'),
      'c.ts': kindOf('mysql'),
      'd.ts': 'export default 42;',
    });
    const error = await codedErrorOf(loadConnectorKinds(dir, ['mysql']));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', details: { problems: 3 } });
    expect(error.message).toMatch(/b\.ts: the connector type mine is already defined in .*a\.ts/);
    expect(error.message).toMatch(/c\.ts: the connector type mysql is already defined in kisflow itself/);
    expect(error.message).toMatch(/d\.ts: has no kind of connector .*defineConnector/);
  });
});
