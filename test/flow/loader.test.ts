import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFlow } from '../../src/flow/driven-flow.ts';
import { loadFunctions } from '../../src/flow/loader.ts';
import { codedErrorOf } from './scope.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kisflow-functions-'));
});
afterEach(() => rm(dir, { recursive: true }));

function put(file: string, text: string): Promise<void> {
  return writeFile(join(dir, file), text);
}

const definitionOf = (name: string): string =>
  `import { defineFunction } from 'kisflow';\nexport default defineFunction({ name: '${name}', run() {} });\n`;

describe('function files', () => {
  test('a TypeScript file in a folder of its own uses kisflow and zod, and runs', async () => {
    await put(
      'triple.ts',
      `
      import { defineFunction, CodedError, type Row } from 'kisflow';
      import { z } from 'zod';
      interface Out extends Row { readonly n: number }
      export default defineFunction({
        name: 'Triple',
        input: z.object({ n: z.number() }),
        run(flow, rows) {
          for (const { n } of rows) {
            if (n < 0) throw new CodedError('ROW_INVALID', 'negative', { class: 'row' });
            flow.commitRow({ n: n * 3 } satisfies Out);
          }
        },
      });`,
    );
    const functions = (await loadFunctions(dir)).map((loaded) => loaded.definition);
    const flow = createFlow({ name: 'f', steps: [{ fname: 'Triple' }], functions });
    flow.commitRow('{"n":2}');
    expect((await flow.run()).steps).toEqual([{ fname: 'Triple', rowsIn: 1, rowsOut: 1 }]);
    flow.commitRow({ n: -1 });
    expect(await codedErrorOf(flow.run())).toMatchObject({ code: 'ROW_INVALID', class: 'row', message: 'negative' });
  });

  test('.ts, .mts, .js and .mjs files are functions; tests, declarations and other files are not', async () => {
    for (const type of ['ts', 'mts', 'js', 'mjs']) await put(`f-${type}.${type}`, definitionOf(`f-${type}`));
    for (const other of ['f.test.ts', 'types.d.ts', 'readme.md', 'data.json']) await put(other, 'not a function');
    const loaded = await loadFunctions(dir);
    expect(loaded.map(({ definition }) => definition.name)).toEqual(['f-js', 'f-mjs', 'f-mts', 'f-ts']);
    expect(loaded[0]?.file).toBe(join(dir, 'f-js.js'));
  });

  test('a function file may import another file of the folder', async () => {
    await put('rate.mjs', 'export default { name: "Rate", run() {} }; export const rate = 1.5;');
    await put(
      'use.ts',
      `import { rate } from './rate.mjs'; import type { FunctionDefinition } from 'kisflow';
      const definition: FunctionDefinition = { name: 'Use' + rate, run() {} }; export default definition;`,
    );
    expect((await loadFunctions(dir)).map(({ definition }) => definition.name)).toEqual(['Rate', 'Use1.5']);
  });

  test('an edited file is loaded as it is now', async () => {
    await put('a.ts', definitionOf('before'));
    await loadFunctions(dir);
    await put('a.ts', definitionOf('after'));
    expect((await loadFunctions(dir))[0]?.definition.name).toBe('after');
  });

  test.each(['package.json', 'readme.json'])(
    'an edited file that a function imports is loaded as it is now, beside %s',
    async (json) => {
      await put(json, '{"type": "module"}');
      const helpers = ['a.ts', 'b.mts', 'c.js', 'd.mjs', 'e.cjs', 'f.json'];
      const write = async (value: number): Promise<void> => {
        for (const file of helpers) {
          const code = file.endsWith('json')
            ? `{"n": ${value}}`
            : file.endsWith('cjs')
              ? `exports.n = ${value};`
              : `export const n = ${value};`;
          await put(file, code);
        }
      };
      const imports = helpers.map((file, i) => `import * as h${i} from './${file}';`).join('\n');
      const names = helpers.map((_, i) => `h${i}.n`).join(" + '-' + ");
      await mkdir(join(dir, 'functions'));
      for (const type of ['ts', 'mjs', 'js'])
        await put(
          `functions/f.${type}`,
          `${imports.replaceAll('./', '../')} export default { name: '${type}-' + ${names}, run() {} };`,
        );
      for (const value of [1, 2, 3]) {
        await write(value);
        const loaded = await loadFunctions(join(dir, 'functions'));
        const all = helpers.map(() => value).join('-');
        expect(loaded.map(({ definition }) => definition.name)).toEqual([`js-${all}`, `mjs-${all}`, `ts-${all}`]);
      }
    },
  );

  test('all mistakes are reported at once, each with its file', async () => {
    await put('a.ts', definitionOf('Same'));
    await put('b.ts', definitionOf('Same'));
    await put('broken.ts', 'export default {');
    await put('empty.ts', '');
    await put('noname.ts', 'export default { run() {} };');
    await put('norun.ts', 'export default { name: "x" };');
    await put('throws.ts', 'throw new Error("at import");');
    await put('missing.ts', 'import "no-such-package"; export default { name: "m", run() {} };');
    const error = await codedErrorOf(loadFunctions(dir));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', class: 'stop', details: { problems: 7 } });
    for (const file of ['b.ts', 'broken.ts', 'empty.ts', 'noname.ts', 'norun.ts', 'throws.ts', 'missing.ts']) {
      expect(error.message).toContain(`  ${join(dir, file)}: `);
    }
    expect(error.message).toContain('at import');
    expect(error.message).toContain(`Same is already defined in ${join(dir, 'a.ts')}`);
  });

  test('a folder that is not there is CONFIG_INVALID; an empty one has no functions', async () => {
    expect(await loadFunctions(dir)).toEqual([]);
    expect((await codedErrorOf(loadFunctions(join(dir, 'none')))).message).toContain(join(dir, 'none'));
  });
});
