import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../src/config/load.ts';
import { makeMemoryConnector } from '../src/connector/memory.ts';
import { loadProject } from '../src/daemon/project.ts';
import { examineOperators } from '../src/daemon/operators.ts';
import { defineFunction } from '../src/flow/define.ts';
import { createFlow } from '../src/flow/driven-flow.ts';
import { compileExpression } from '../src/flow/operator/expression.ts';
import { fieldOf } from '../src/flow/operator/field.ts';
import { isChange, makeChange, type Change, type Row } from '../src/row/change.ts';
import { createFolder } from './support/daemon-process.ts';
import { codeBlocks, sections } from './support/documents.ts';

const page = 'docs/operators.md';
const root = resolve(import.meta.dirname, '..');

interface Example {
  /** Plain rows, or changes of tables with the key `id`. */
  readonly in: readonly unknown[];
  readonly out: readonly unknown[];
  /** Rows of the table that is looked up. */
  readonly table?: readonly Row[];
}

/** A section's function and its example; a section may have several. */
function exampleOf(operator: string, at = 0): { readonly yaml: string; readonly example: Example } {
  const blocks = codeBlocks(sections(page, [`## ${operator}`]));
  const [yaml, json] = ['yaml', 'json'].map((language) => blocks.filter((block) => block.language === language)[at]?.code ?? '');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the page's own JSON
  return { yaml: yaml ?? '', example: JSON.parse(json ?? '') as Example };
}

/** A row of an example: a change where it has an op. */
function readRow(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || !('op' in row)) return row;
  const shared = { key: ['id'], before: null, after: null, position: 'b.1:4', time: 0 };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the page's own JSON
  return makeChange({ ...shared, ...(row as Pick<Change, 'op' | 'table'>) });
}

function writeRow(row: unknown): unknown {
  if (!isChange(row)) return row;
  const { op, table, key, before, after } = row;
  return { op, table, key, ...(before !== null && { before }), ...(after !== null && { after }) };
}

/** The function in a flow of its own, with a function that notes what it gives. */
async function runExample(yaml: string, { in: rows, table = [] }: Example): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  const collect = defineFunction<unknown>({ name: 'Collect', run: (_flow, given) => void seen.push(...given) });
  const document: unknown = load(yaml);
  const fname: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'fname') : undefined;
  const dir = await createFolder({
    'operator.yml': yaml,
    'flow.yml': `kistype: flow\nflow_name: f\nflows: [{fname: ${String(fname)}}, {fname: Collect}]\n---\nkistype: func\nfname: Collect\nfmode: Expand\n`,
    ...(table.length === 0 ? {} : { 'conn.yml': 'kistype: conn\ncname: Customers\ntype: memory\nkey: id\n' }),
  });
  const memory = makeMemoryConnector({ name: 'Customers', type: 'memory', addrs: '', key: 'id', params: {} });
  const fill = createFlow({ name: 'fill', steps: [{ fname: 'Save', mode: 'Save', connector: 'Customers' }], connectors: [memory] });
  fill.commitRowBatch(table);
  await fill.run();
  const project = await loadProject({ conf: dir, functions: [collect], connectors: [memory], env: {} });
  const flow = project.getFlow('f');
  flow.commitRowBatch(rows);
  await flow.run();
  await project.close();
  return seen;
}

describe('the page about operators', () => {
  test.each([
    ['filter', 0],
    ['map', 0],
    ['project', 0],
    ['dedupe', 0],
    ['lookup', 0],
    ['join', 0],
    ['window', 0],
    ['window', 1],
  ])('shows what %s does (%i)', async (operator, at) => {
    const { yaml, example } = exampleOf(operator, at);
    const seen = await runExample(yaml, { ...example, in: example.in.map(readRow) });
    expect(seen.map(writeRow)).toEqual(example.out);
  });

  test.each([
    ['aggregate', 'operators'],
    ['join', '12-join-window'],
  ])('shows the %s of the example %s', (operator, folder) => {
    const [block] = codeBlocks(sections(page, [`## ${operator}`]));
    const example = readFileSync(join(root, `docs/examples/${folder}/conf/shop.yml`), 'utf8');
    const withoutComments = (text: string): string => text.replaceAll(/ *#.*$/gm, '').trim();
    expect(example.split('\n---\n').map(withoutComments)).toContain(withoutComments(block?.code ?? 'nothing'));
  });

  test('shows what expressions give', () => {
    const known = new Map([
      ['amount', fieldOf('decimal(12,2)', true)],
      ['quantity', fieldOf('int', true)],
      ['ratio', fieldOf('double', true)],
      ['status', fieldOf('varchar(10)', true)],
      ['note', fieldOf('varchar(10)', true)],
    ]);
    const row: Row = { amount: '120.10', quantity: 3, ratio: 0.5, status: 'paid', note: null };
    const lines = [...sections(page, ['## Expressions']).matchAll(/^\| `(.+?)` +\| `(.+?)` +\|$/gm)];
    expect(lines.length).toBeGreaterThan(10);
    for (const [, text = '', value = ''] of lines) {
      const { expression, problems } = compileExpression(text.replaceAll('\\|', '|'), { known, isComplete: true });
      expect(problems).toEqual([]);
      expect(JSON.stringify(expression?.run(row)), text).toBe(value);
    }
  });

  test.each(['operators', '12-join-window'])('and its example %s load without a mistake', async (folder) => {
    const env = { KISFLOW_SOURCE_URL: 'mysql://u:p@primary:3306', KISFLOW_STORE_URL: 'mysql://u:p@store:3306/kisflow' };
    const dir = join(root, `docs/examples/${folder}/conf`);
    const configuration = await loadConfiguration({ dir, env, functionNames: new Set() });
    expect(examineOperators(configuration)).toEqual([]);
  });
});
