import { chmod, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { examineAddresses, examineFiles } from '../../src/cli/check/exposure.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { loadConnectorKinds } from '../../src/flow/connector-loader.ts';
import { loadFunctions } from '../../src/flow/loader.ts';
import { createFolder } from '../support/daemon-process.ts';

const code = (name: string): string =>
  `import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: '${name}', run() {} });\n`;

const conf = `kistype: global
store: {url: "\${STORE_URL}"}
redis: {url: "redis://:\${REDIS_PASSWORD}@cache:6379"}
---
kistype: source
name: main
type: mysql-binlog
url: \${SOURCE_URL}
---
kistype: flow
flow_name: f
source: {name: main, tables: [a.b], rows: after, start: latest}
flows: [{fname: Save}]
---
kistype: func
fname: Save
fmode: Save
option: {cname: far}
---
kistype: conn
cname: far
type: mysql
addrs: \${FAR_URL}
key: t
`;
const plain = {
  STORE_URL: 'mysql://u:p@10.0.0.1/kisflow',
  SOURCE_URL: 'mysql://u:p@primary',
  REDIS_PASSWORD: 'x',
  FAR_URL: 'mysql://u:p@127.0.0.1/x',
};

describe('code is loaded from its folder only', () => {
  it('a link that leads out of it is refused; one within it, and a folder that is a link, are not', async () => {
    const root = await createFolder({ 'outside/Evil.ts': code('Evil'), 'real/Good.ts': code('Good'), 'connectors/none.txt': '' });
    await mkdir(join(root, 'real/..data'));
    await rename(join(root, 'real/Good.ts'), join(root, 'real/..data/Good.ts'));
    await symlink('..data/Good.ts', join(root, 'real/Good.ts'));
    await symlink('real', join(root, 'functions'));
    expect((await loadFunctions(join(root, 'functions'))).map(({ definition }) => definition.name)).toEqual(['Good']);
    await symlink('../outside/Evil.ts', join(root, 'real/Evil.ts'));
    await expect(loadFunctions(join(root, 'functions'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/Evil\.ts: is a link that leads out of its folder, to .*outside\/Evil\.ts/),
    });
    await symlink('../outside/Evil.ts', join(root, 'connectors/Evil.ts'));
    await expect(loadConnectorKinds(join(root, 'connectors'), [])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it.each(['../outside/Evil', '/etc/passwd', '..'])(
    'a name is no path: fname %s is a function that there is not',
    async (fname) => {
      const root = await createFolder({
        'conf/f.yml': `kistype: flow\nflow_name: f\nflows: [{fname: "${fname}"}]\n---\nkistype: func\nfname: "${fname}"\nfmode: Calculate\n`,
        'outside/Evil.ts': code('Evil'),
      });
      const load = loadConfiguration({ dir: join(root, 'conf'), env: {}, functionNames: new Set(['Good']) });
      await expect(load).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(fname) });
    },
  );
});

describe('what others could see or change', () => {
  it('an address of another machine without TLS is a warning, with any certificate a remark, this machine neither', async () => {
    const root = await createFolder({ 'conf/all.yml': conf });
    const examine = async (env: Record<string, string>) =>
      examineAddresses(await loadConfiguration({ dir: join(root, 'conf'), env })).map(
        ({ subject, severity }) => `${severity} ${subject}`,
      );
    expect(await examine(plain)).toEqual(['warning source main', 'warning store', 'warning configuration']);
    expect(
      await examine({
        ...plain,
        STORE_URL: `${plain.STORE_URL}?ssl=verify`,
        SOURCE_URL: 'mysql://localhost',
        FAR_URL: 'mysql://u@far/x?ssl=encrypt',
      }),
    ).toEqual(['warning configuration', 'info connector far']);
  });

  it('files that everybody may change, and secrets that everybody may read, are warnings where everybody gets there', async () => {
    const root = await createFolder({ 'conf/all.yml': conf, 'functions/A.ts': code('A') });
    const context = {
      conf: join(root, 'conf'),
      functions: join(root, 'functions'),
      connectors: join(root, 'none'),
      migrations: join(root, 'none'),
    };
    const examine = async () => {
      const configuration = await loadConfiguration({ dir: context.conf, env: plain });
      return (await examineFiles(configuration, context)).map(
        ({ code: found, subject, remedy }) => `${found} ${subject} ${remedy.replaceAll(`${root}/`, '')}`,
      );
    };
    await chmod(root, 0o755);
    for (const folder of ['conf', 'functions']) await chmod(join(root, folder), 0o755);
    await chmod(join(root, 'conf/all.yml'), 0o644);
    await chmod(join(root, 'functions/A.ts'), 0o644);
    expect(await examine()).toEqual([]);
    await writeFile(join(root, 'conf/all.yml'), conf.replace('${SOURCE_URL}', 'mysql://u:written@primary'));
    await chmod(join(root, 'functions/A.ts'), 0o666);
    expect(await examine()).toEqual([
      'FILE_EXPOSED functions chmod -R o-w functions',
      expect.stringMatching(/^FILE_EXPOSED configuration chmod o-r conf\/all\.yml/),
    ]);
    // nobody else gets there
    await chmod(root, 0o700);
    expect(await examine()).toEqual([]);
  });
});
