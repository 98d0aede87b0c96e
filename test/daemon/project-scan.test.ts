import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ProjectScanner } from '../../src/daemon/project-scan.ts';
import { createFolder } from '../support/daemon-process.ts';

async function createProject() {
  const folder = await createFolder({
    'conf/a.yml': 'kistype: global\n',
    'conf/sub/b.yaml': 'kistype: global\n',
    'functions/F.ts': "import { x } from './lib/x.js';\nimport data from '../shared/data.json';\nexport default [x, data];\n",
    'functions/G.ts': 'export default 1;\n',
    'functions/lib/x.ts': "export { y as x } from './y';\n",
    'functions/lib/y/index.mjs': 'export const y = 1;\n',
    'functions/lib/unused.ts': 'export const z = 1;\n',
    'shared/data.json': '{}',
  });
  const scanner = new ProjectScanner({ conf: join(folder, 'conf'), functions: join(folder, 'functions') });
  const put = async (file: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  const look = async () => {
    const scan = await scanner.scan();
    const code = (file: string): string => scanner.codeHash(scan, join(folder, 'functions', file));
    return {
      hash: scan.hash,
      f: code('F.ts'),
      g: code('G.ts'),
      folders: scan.folders.map((path) => path.slice(folder.length + 1)),
    };
  };
  return { folder, put, look };
}

describe('a look at the files of a project', () => {
  test.each([
    ['a function', 'functions/F.ts', 'export default 2;\n'],
    ['a helper', 'functions/lib/x.ts', 'export const x = 2;\n'],
    ['a helper of a helper, in the same size', 'functions/lib/y/index.mjs', 'export const y = 2;\n'],
    ['what a function imports from outside of the folder', 'shared/data.json', '[]'],
    ['a file that comes before the one that was meant', 'functions/lib/y.ts', 'export const y = 3;\n'],
  ])('tells the code of a function that has changed: %s', async (_what, file, text) => {
    const { put, look } = await createProject();
    const before = await look();
    await put(file, text);
    const after = await look();
    expect(after.hash).not.toBe(before.hash);
    expect(after.f).not.toBe(before.f);
    expect(after.g).toBe(before.g);
  });

  test('a change that no function has anything to do with changes the code of none', async () => {
    const { put, look } = await createProject();
    const before = await look();
    await put('functions/lib/unused.ts', 'export const z = 2;\n');
    await put('conf/sub/b.yaml', '# another\n');
    const after = await look();
    expect(after.hash).not.toBe(before.hash);
    expect([after.f, after.g]).toEqual([before.f, before.g]);
  });

  test('times alone are no change; a rewrite with the times of before is one', async () => {
    const { folder, put, look } = await createProject();
    const old = new Date(Date.now() - 3_600_000);
    for (const file of ['functions/F.ts', 'functions/G.ts', 'conf/a.yml']) await utimes(join(folder, file), old, old);
    const before = await look();
    await utimes(join(folder, 'functions/G.ts'), new Date(), new Date());
    expect((await look()).hash).toBe(before.hash);
    await put('functions/G.ts', 'export default 7;\n');
    await utimes(join(folder, 'functions/G.ts'), old, old);
    expect((await look()).g).not.toBe(before.g);
  });

  test('files that are taken away, renamed or linked to are noticed, hidden ones and packages are not', async () => {
    const { folder, put, look } = await createProject();
    const first = await look();
    await put('functions/node_modules/p/index.js', 'export default 1;\n');
    await put('functions/.F.ts.swp', 'x');
    await put('conf/.hidden.yml', 'x');
    expect((await look()).hash).toBe(first.hash);
    await rename(join(folder, 'functions/G.ts'), join(folder, 'functions/H.ts'));
    const renamed = await look();
    expect(renamed.hash).not.toBe(first.hash);
    await rm(join(folder, 'functions/H.ts'));
    expect((await look()).hash).not.toBe(renamed.hash);
    await put('elsewhere/G.ts', 'export default 1;\n');
    await symlink(join(folder, 'elsewhere/G.ts'), join(folder, 'functions/G.ts'));
    const linked = await look();
    expect(linked.hash).toBe(first.hash);
    await put('elsewhere/G.ts', 'export default 5;\n');
    expect((await look()).g).not.toBe(linked.g);
  });

  test('the folders to watch are those in which such a change shows, of a folder that is yet to come the one above it', async () => {
    const { folder, put, look } = await createProject();
    const { folders } = await look();
    expect(folders.toSorted()).toEqual(['conf', 'conf/sub', 'functions', 'functions/lib', 'functions/lib/y', 'shared']);
    await rm(join(folder, 'functions'), { recursive: true });
    expect((await look()).folders.toSorted()).toEqual(['', 'conf', 'conf/sub']);
    await put('functions/G.ts', 'export default 1;\n');
    expect((await look()).folders).toContain('functions');
  });
});
