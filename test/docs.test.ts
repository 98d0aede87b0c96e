import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { load as parseYaml, loadAll } from 'js-yaml';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { runCommandLine } from '../src/cli/command-line.ts';
import { commands } from '../src/cli/commands.ts';
import { loadConfiguration } from '../src/config/load.ts';
import { kistypes, specs, type Kistype } from '../src/config/spec.ts';
import { errorCodes } from '../src/lib/error-codes.ts';
import { codeBlocks, filesIn, readPage } from './support/documents.ts';
import { createFolder } from './support/daemon-process.ts';

const root = resolve(import.meta.dirname, '..');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Every `kisflow …` of a page: lines of shell blocks, and code in running text. */
function commandLines(page: string): string[] {
  const text = readPage(page);
  const lines = codeBlocks(text)
    .filter(({ language }) => language === 'sh' || language === 'ini')
    .flatMap(({ code }) => code.split('\n'))
    .flatMap((line) => /\bkisflow (?!kisflow)([a-z].*)$/.exec(line)?.slice(1) ?? []);
  const inline = [...text.replace(/```[^]*?```/g, '').matchAll(/`(?:npx )?kisflow ([^`<]+)`/g)].map((match) => match[1] ?? '');
  return [...lines, ...inline];
}

describe('every command in a document', () => {
  afterEach(() => vi.restoreAllMocks());

  test.each(pages)('exists with its flags: %s', async (page) => {
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const complaints = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    for (const line of commandLines(page)) {
      const args = line.replaceAll(/[[\]]/g, '').trim().split(/\s+/);
      // --help parses all of the line and runs nothing
      expect(await runCommandLine([...args, '--help']), `kisflow ${line}: ${complaints.mock.calls.flat().join('')}`).toBe(0);
    }
  });

  test('the README and the documents mention every command', () => {
    const mentioned = new Set(pages.flatMap(commandLines).map((line) => line.split(/\s/)[0]));
    const silent = commands.map(({ name }) => name).filter((name) => !mentioned.has(name) && name !== 'demo');
    expect(silent).toEqual([]);
    expect(readPage('README.md')).toContain('npm run demo');
  });

  test('npm scripts in documents are scripts of the package', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const named = pages.flatMap((page) =>
      [...readPage(page).matchAll(/npm (?:run )?(?!ci|install|pack|init)([a-z:]+)/g)].map((match) => match[1]),
    );
    expect(named).toContain('demo');
    for (const name of named) expect(scripts).toHaveProperty(name ?? '');
  });
});

describe('every link in a document', () => {
  test.each(pages)('leads somewhere: %s', (page) => {
    const links = [
      ...readPage(page)
        .replace(/```[^]*?```/g, '')
        .matchAll(/\]\(([^)]+)\)/g),
    ].map((match) => match[1] ?? '');
    const broken = links.filter((link) => !/^https?:/.test(link) && !leadsSomewhere(page, link));
    expect(broken).toEqual([]);
  });
});

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : relative(root, resolve(root, dirname(page), path));
  if (statSync(join(root, target), { throwIfNoEntry: false }) === undefined) return false;
  if (anchor === undefined) return true;
  const headings = [...readPage(target).matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '');
  return headings.some(
    (heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-') === anchor,
  );
}

describe('every YAML block in a document', () => {
  const env = { KISFLOW_SOURCE_URL: 'mysql://u:p@primary:3306', KISFLOW_STORE_URL: 'mysql://u:p@store:3306/kisflow' };

  test.each(pages)('can be read: %s', (page) => {
    for (const { code } of codeBlocks(readPage(page)).filter(({ language }) => language === 'yaml')) loadAll(code);
  });

  test('of the README loads as a configuration', async () => {
    const files = filesIn('README.md', ['## Set it beside your primary', '## Write a flow']);
    const conf = Object.fromEntries(Object.entries(files).filter(([path]) => path.startsWith('conf/')));
    expect(Object.keys(conf).length).toBeGreaterThan(0);
    const configuration = await loadConfiguration({ dir: join(await createFolder(conf), 'conf'), env });
    expect([...configuration.flows.keys()]).toEqual(['CalStuAvgScore']);
  });

  test('of the configuration page is a complete configuration', async () => {
    const blocks = codeBlocks(readPage('docs/configuration.md')).filter(({ language }) => language === 'yaml');
    expect(blocks).toHaveLength(1);
    const dir = await createFolder({ 'all.yml': blocks[0]?.code ?? '' });
    const configuration = await loadConfiguration({ dir, env, functionNames: new Set(['AvgStuScore']) });
    expect([...configuration.flows.keys()]).toEqual(['CalStuAvgScore']);
  });

  test("the demo's configuration loads with the demo's functions", async () => {
    const functionNames = new Set(
      readdirSync(join(root, 'demo/functions')).flatMap((name) => /^(\w+)\.ts$/.exec(name)?.slice(1) ?? []),
    );
    const configuration = await loadConfiguration({ dir: join(root, 'demo/conf'), env, functionNames });
    expect([...configuration.flows.keys()]).toEqual(['CalStuAvgScore', 'CustomerValue']);
  });
});

describe('the configuration page', () => {
  /** The least that loads, for the defaults. */
  const least: Record<Kistype, Record<string, unknown>> = {
    global: {},
    source: { name: 'a', type: 'mysql-binlog', url: 'mysql://h' },
    flow: { flow_name: 'a', source: { name: 'a', tables: ['a.b'] }, flows: [{ fname: 'a' }] },
    func: { fname: 'a', fmode: 'Save' },
    conn: { cname: 'a', type: 'mysql' },
  };

  test.each(kistypes)('names every key of kistype %s, with its default, and no other', (kistype) => {
    const section = readPage('docs/configuration.md').split(`## kistype: ${kistype}\n`)[1]?.split('\n## ')[0] ?? '';
    const table = /\| key +\|[^]*?(?=\n\n|\n*$)/.exec(section)?.[0] ?? '';
    const rows = [...table.matchAll(/^\| `([^`]+)` +\| ([^|]+) \|/gm)].map(([, key = '', fallback = '']) => ({
      key,
      fallback: fallback.trim(),
    }));
    expect(rows.map(({ key }) => key).toSorted()).toEqual(keysOf(kistype).toSorted());
    const parsed: unknown = specs[kistype].parse({ ...least[kistype], kistype });
    for (const { key, fallback } of rows) {
      const value = key.split('.').reduce<unknown>((part, name) => (isObject(part) ? part[name] : undefined), parsed);
      if (fallback.startsWith('`')) expect(`\`${String(value)}\``, key).toBe(fallback);
      else expect(['_required_', '_none_']).toContain(fallback);
    }
  });

  /** All keys of a kistype, found by asking the spec itself: for an unknown key it lists those that it knows. */
  function keysOf(kistype: Kistype, path: readonly string[] = []): string[] {
    const inner = path.reduceRight<Record<string, unknown>>(
      (value, name) => (name.endsWith('[]') ? { [name.slice(0, -2)]: [value] } : { [name]: value }),
      { '?': 1 },
    );
    const { error } = specs[kistype].safeParse({ ...least[kistype], kistype, ...inner });
    const message = error?.issues.find((issue) => issue.code === 'unrecognized_keys' && issue.keys.includes('?'))?.message ?? '';
    const names = (/the keys here are (.+)/.exec(message)?.[1] ?? '')
      .split(', ')
      .filter((name) => name !== '' && name !== 'kistype');
    if (names.length === 0 || path.length > 2) return [];
    return names.flatMap((name) => {
      for (const form of [name, `${name}[]`]) {
        const below = keysOf(kistype, [...path, form]);
        if (below.length > 0) return below;
      }
      return [[...path, name].join('.')];
    });
  }

  function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === 'object' && value !== null;
  }
});

describe('the errors page', () => {
  test('says what the catalogue says (UPDATE_DOCS=1 writes it)', () => {
    const file = join(root, 'docs/errors.md');
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, errorsPage());
    expect(readFileSync(file, 'utf8')).toBe(errorsPage());
  });
});

function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { meaning, remedy }]) => `## ${code}\n\n${escapeMarkdown(meaning)}\n\nWhat to do: ${linked(escapeMarkdown(remedy))}\n`,
  );
  const head = [
    '# Errors',
    '',
    '<!-- Made from src/lib/error-codes.ts: UPDATE_DOCS=1 npx vitest run test/docs.test.ts -->',
    '',
    'Every code that kisflow can end in, in the log, in `kisflow status` and on the command line. The message beside it names the flow, the table and',
    'the position. A flow that has failed is resumed with `kisflow resume FLOW` once the cause is mended. Exit codes: 0 done, 1 failed, 2 usage, 78 configuration.',
  ];
  return `${head.join('\n')}\n\n${rows.join('\n')}`;
}

/** The two things that many remedies end with are described elsewhere. */
function linked(text: string): string {
  return text
    .replace(/\ba new start\b/, '[a new start](operations.md#give-a-flow-a-new-start)')
    .replace(/`kisflow dead-rows retry`/, '[`kisflow dead-rows retry`](operations.md#dead-rows)');
}

/** Stars and angle brackets mean something in Markdown, except in code. */
function escapeMarkdown(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[*<]/g, '\\$&')))
    .join('');
}

describe('the glossary and the guarantees', () => {
  test('the glossary defines the words', () => {
    const words = [...readPage('docs/glossary.md').matchAll(/^\| ([a-z][a-z, ]*?) +\|/gm)].flatMap((match) =>
      (match[1] ?? '').split(', '),
    );
    const wanted = [
      'source',
      'change',
      'transaction',
      'position',
      'router',
      'flow',
      'function',
      'action',
      'connector',
      'batch',
      'checkpoint',
      'registry',
      'dead row',
      'job',
      'executor',
      'scene',
      'store',
      'computed table',
      'lease',
      'epoch',
      'standby',
      'lag',
    ];
    expect(words.filter((word) => wanted.includes(word)).toSorted()).toEqual(wanted.toSorted());
    for (const kistype of kistypes) expect(readPage('docs/glossary.md')).toContain(`\`${kistype}\``);
  });

  test('the guarantees name every law, and every test that they name is there', () => {
    const text = readPage('docs/guarantees.md');
    expect([...text.matchAll(/^## (L\d+) /gm)].map((match) => match[1])).toEqual(
      Array.from({ length: 12 }, (_, index) => `L${index + 1}`),
    );
    const tests = [...text.matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1] ?? '');
    for (const file of tests) expect(statSync(join(root, file), { throwIfNoEntry: false }), file).toBeDefined();
  });
});

describe('what a place without this page would not know', () => {
  test('docker-compose.yml and the documents speak of the same variables and files', () => {
    const compose = parseYaml(readFileSync(join(root, 'docker-compose.yml'), 'utf8'));
    const variables = [...JSON.stringify(compose).matchAll(/\$\{(\w+_IMAGE)/g)].map((match) => match[1] ?? '');
    expect(variables.length).toBeGreaterThan(0);
    for (const name of variables) expect(readPage('docs/operations.md')).toContain(`\`${name}\``);
    expect(JSON.stringify(compose)).toContain('KISFLOW_SOURCE_URL');
  });
});
