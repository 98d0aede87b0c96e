import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ProjectFiles } from '../../src/daemon/project-files.ts';
import { CodedError } from '../../src/lib/error.ts';
import { createFolder } from '../support/daemon-process.ts';
import { waitFor } from '../support/wait-for.ts';

async function createFiles(more: Readonly<Record<string, string>> = {}) {
  const folder = await createFolder({ 'conf/a.yml': 'kistype: global\n', ...more });
  await mkdir(join(folder, 'functions/lib'), { recursive: true });
  const files = new ProjectFiles({
    conf: join(folder, 'conf'),
    functions: join(folder, 'functions'),
    connectors: join(folder, 'connectors'),
    env: {},
  });
  return { folder, files, put: (file: string, text: string) => writeFile(join(folder, file), text) };
}

const importing = (file: string): string =>
  `import { x } from './lib/${file}';\nexport default { name: 'F', run() { return x; } };\n`;

describe('the files of a project, loaded as often as they change', () => {
  test('a function whose code has not changed is the very same; one whose helper has changed is another', async () => {
    const { files, put } = await createFiles();
    await put('functions/F.ts', importing('x.mjs'));
    await put('functions/G.ts', "export default { name: 'G', run() {} };\n");
    await put('functions/lib/x.mjs', 'export const x = 1;\n');
    const [f1, g1] = (await files.load()).functions;
    expect((await files.load()).functions[0]?.definition).toBe(f1?.definition);
    await put('functions/lib/x.mjs', 'export const x = 2;\n');
    const [f2, g2] = (await files.load()).functions;
    expect(f2?.definition).not.toBe(f1?.definition);
    expect(g2?.definition).toBe(g1?.definition);
  });

  test('what is loaded stood in the files at one moment, though they are rewritten all the while', async () => {
    const { folder, files, put } = await createFiles();
    const replace = async (file: string, text: string): Promise<void> => {
      await put('next.ts', text);
      await rename(join(folder, 'next.ts'), join(folder, file));
    };
    const helper = (n: number): string => `export const x = ${n};\n`;
    // it takes its time between its own text and its helper's
    const own = (n: number): string =>
      `await new Promise((go) => setTimeout(go, 25));\nconst { x } = await import('./lib/x');\nexport default { name: \`F\${x}-${n}\`, run() {} };\n`;
    const pair = async (n: number): Promise<void> => {
      await replace('functions/lib/x.ts', helper(n));
      await replace('functions/F.ts', own(n));
    };
    await pair(0);
    const written = { pairs: 0 };
    const writing = waitFor(
      async () => {
        await pair((written.pairs += 1));
        return written.pairs >= 40;
      },
      { pollMs: 60, deadlineMs: 30_000 },
    );
    const names = new Set<string>();
    while (written.pairs < 40) {
      const loaded = await files.load().catch((error: unknown) => {
        // on a slow machine: then nothing is loaded, rather than a mixture
        if (error instanceof CodedError && error.message.includes('faster than they can be read')) return undefined;
        throw error;
      });
      if (loaded === undefined) continue;
      const name = loaded.functions[0]?.definition.name ?? '';
      names.add(name);
      const [x = 0, n = 0] = name.slice(1).split('-').map(Number);
      const seen = ['functions/lib/x.ts', 'functions/F.ts'].map((file) => loaded.scan.files.get(join(folder, file))?.hash);
      expect(seen, name).toEqual([helper(x), own(n)].map((text) => createHash('sha256').update(text).digest('hex')));
    }
    await writing;
    expect((await files.load()).functions[0]?.definition.name).toBe('F40-40');
    expect(names.size).toBeGreaterThan(0);
  });

  test('mistakes of functions and configuration are reported at once, and a mended file is loaded', async () => {
    const { files, put } = await createFiles();
    await put('functions/F.ts', 'export default {');
    await put('conf/b.yml', 'kistype: flow\nflow_nam: x\n');
    await expect(files.load()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/F\.ts[^]*flow_nam/),
    });
    await put('functions/F.ts', importing('x.mjs').replace('./lib/x.mjs', 'kisflow').replace('x }', 'reuse as x }'));
    await put('conf/b.yml', '');
    expect((await files.load()).functions.map(({ definition }) => definition.name)).toEqual(['F']);
  });

  test('a hundred versions of a function leave nothing behind', async () => {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    if (typeof gc !== 'function') throw new Error('no gc');
    const { files, put } = await createFiles();
    const versions: WeakRef<object>[] = [];
    for (let n = 0; n < 100; n += 1) {
      await put('functions/lib/x.mjs', `export const x = new Array(100_000).fill(${n});\n`);
      await put('functions/F.ts', importing('x.mjs'));
      const definition = (await files.load()).functions[0]?.definition;
      if (definition !== undefined) versions.push(new WeakRef(definition));
    }
    const alive = await waitFor(
      () => {
        gc();
        const left = versions.filter((version) => version.deref() !== undefined).length;
        return left <= 3 && { left };
      },
      { deadlineMs: 10_000, what: 'the old versions to be forgotten' },
    );
    expect(versions).toHaveLength(100);
    expect(alive.left).toBeGreaterThan(0);
  });
});
