import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** DESIGN section 10: what each folder of src may import. A folder may always import itself. */
const everything = [
  'lib',
  'row',
  'config',
  'store',
  'connector',
  'checkpoint',
  'flow',
  'router',
  'binlog',
  'source',
  'snapshot',
  'repair',
  'daemon',
  'job',
  'console',
  'embedded',
  'cli',
] as const;
const walls: Record<string, readonly string[]> = {
  lib: [],
  row: ['lib'],
  config: ['lib', 'row', 'router'],
  store: ['lib', 'row'],
  connector: ['lib', 'row', 'store'],
  checkpoint: ['lib', 'row', 'store'],
  // the operator aggregate writes SQL: values and names as the store's own code writes them
  flow: ['lib', 'row', 'store/contract.ts', 'store/name.ts', 'connector/contract.ts', 'connector/mysql-literal.ts'],
  router: ['lib', 'row'],
  binlog: ['lib', 'row'],
  source: ['lib', 'row', 'binlog'],
  // a chunk's values are made as the binlog's are
  snapshot: ['lib', 'row', 'binlog', 'source', 'store'],
  repair: ['lib', 'row', 'store', 'checkpoint', 'flow', 'source', 'snapshot'],
  daemon: ['lib', 'row', 'config', 'store', 'connector', 'checkpoint', 'flow', 'router', 'binlog', 'source', 'snapshot', 'repair'],
  job: ['lib', 'row', 'config', 'store', 'flow', 'daemon/contract.ts'],
  // its dead rows are those that the daemon's own code reads
  console: ['lib', 'config', 'store', 'repair', 'job', 'daemon'],
  embedded: ['lib'],
  cli: everything,
};
/** The library's front door and the bin stand above the folders. */
const roots = new Set(['index.ts', 'main.ts']);

const root = resolve(import.meta.dirname, '..');

function filesUnder(folder: string, extension: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

const sources = filesUnder('src', '.ts');

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

/** Files of src that a file imports, as paths from src. */
function localImports(file: string): string[] {
  return importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(join(root, 'src'), resolve(root, dirname(file), name)));
}

describe('the tree is tidy', () => {
  it('imports point one way: a folder imports only what the design allows it', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = relative('src', file);
      const folder = from.split('/')[0] ?? '';
      if (roots.has(from)) continue;
      const allowed = walls[folder];
      if (allowed === undefined) {
        wrong.push(`${file}: the folder ${folder} is not in the design`);
        continue;
      }
      for (const target of localImports(file)) {
        const targetFolder = target.split('/')[0] ?? '';
        const isAllowed = targetFolder === folder || allowed.includes(targetFolder) || allowed.includes(target);
        if (!isAllowed || roots.has(target)) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(sources.length).toBeGreaterThan(30);
  });

  it('no file imports itself through others', () => {
    const graph = new Map(sources.map((file) => [relative('src', file), localImports(file)]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('no file is longer than 300 lines, no test than 500', () => {
    const limits: [string[], number][] = [
      [[...sources, ...filesUnder('functions', '.ts'), ...filesUnder('bench', '.ts')], 300],
      [filesUnder('test', '.ts'), 500],
    ];
    const long = limits.flatMap(([files, limit]) =>
      files
        .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
        .filter(({ lines }) => lines > limit)
        .map(({ file, lines }) => `${file}: ${lines} lines`),
    );
    expect(long).toEqual([]);
  });

  it('user functions import kisflow and packages, nothing of src', () => {
    const folders = ['functions', 'demo', 'docs/examples'];
    const wrong = folders
      .flatMap((folder) => filesUnder(folder, '.ts'))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => name.includes('/src/') || name.startsWith('..'))
          .map((name) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it('one word per thing: no file has a name that says nothing', () => {
    const vague = /(^|[-/])(utils?|helpers?|managers?|base|impl|common|misc|data|info)\.ts$/;
    expect(sources.filter((file) => vague.test(file))).toEqual([]);
  });

  it('types are not escaped from: no any, no ts-ignore, no enum, no namespace, no skipped test', () => {
    const escapes =
      /:\s*any\b|\bas any\b|@ts-(ignore|expect-error|nocheck)|^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s/m;
    const skipped = /\b(it|test|describe)\.(only|skip|todo)\(/;
    const wrong = [
      ...sources.filter((file) => escapes.test(readFileSync(join(root, file), 'utf8'))),
      ...filesUnder('test', '.ts').filter(
        (file) =>
          skipped.test(readFileSync(join(root, file), 'utf8')) &&
          !file.endsWith('tidy.test.ts') &&
          file !== 'test/support/servers.ts',
      ),
    ];
    expect(wrong).toEqual([]);
  });
});
