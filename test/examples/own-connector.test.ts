import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFolder } from '../support/daemon-process.ts';
import { runExample } from './example.ts';

test('a program saves through a connector of the project’s own; the same batch done again changes nothing', async () => {
  const env = { EXPORT_FOLDER: join(await createFolder(), 'export') };
  await runExample('own-connector', env, ['batch-1']);
  await runExample('own-connector', env, ['batch-1']);
  const files = await readdir(env.EXPORT_FOLDER);
  expect(files).toEqual(['batch-1-0-1.jsonl']);
  expect(await readFile(join(env.EXPORT_FOLDER, files[0] ?? ''), 'utf8')).toBe(
    '{"stu_id":101,"name":"Ada"}\n{"stu_id":102,"name":"Blaise"}\n',
  );
  await runExample('own-connector', env, ['batch-2']);
  expect(await readdir(env.EXPORT_FOLDER)).toHaveLength(2);
});
