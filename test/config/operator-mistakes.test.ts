import { expect, test } from 'vitest';
import type { Configuration } from '../../src/config/configuration.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { examineOperators, type KnownFields } from '../../src/daemon/operators.ts';
import { fieldOf, type Fields } from '../../src/flow/operator/field.ts';
import { fieldsOfTables } from '../../src/flow/operator/table-fields.ts';
import { globalYaml, load, problemsOf, sourceYaml } from './conf-directory.ts';

const conn = 'kistype: conn\ncname: Figures\ntype: mysql\naddrs: store\nkey: figures\n';

function flowYaml(fnames: readonly string[], rows = 'change'): string {
  const flows = fnames.map((fname) => `{fname: ${fname}}`).join(', ');
  return `kistype: flow\nflow_name: shop\nsource: {name: main, tables: [shop.orders], rows: ${rows}, start: earliest}\nflows: [${flows}]\n`;
}

const files = (more: Readonly<Record<string, string>>) => ({
  'global.yml': globalYaml,
  'source.yml': sourceYaml,
  'conn.yml': conn,
  ...more,
});

const known: KnownFields = {
  ofFlow: new Map<string, Fields>([
    [
      'shop',
      {
        isComplete: true,
        known: new Map([
          ['customer_id', fieldOf('int', false)],
          ['status', fieldOf('varchar(10)', false)],
          ['amount', fieldOf('decimal(12,2)', true)],
        ]),
      },
    ],
  ]),
  ofConnector: new Map<string, Fields>([
    ['Figures', { isComplete: true, known: new Map(['customer_id', 'total'].map((name) => [name, fieldOf('int', false)])) }],
  ]),
};

/** Mistakes without and with the real tables. */
async function mistakesIn(yaml: Readonly<Record<string, string>>, tables?: KnownFields): Promise<readonly string[]> {
  const examine = (configuration: Configuration) =>
    examineOperators(configuration, {
      functionNames: new Set(),
      ...(tables === undefined ? {} : { known: tables, runs: () => true }),
    });
  return (await problemsOf(files(yaml), { functionNames: new Set(), examine })).map(formatProblem);
}

test('every mistake in an operator is one error, with file, line, path and the nearest name', async () => {
  const problems = await mistakesIn({
    'flow.yml': flowYaml(['Paid', 'Value', 'Figures'], 'after'),
    'paid.yml': 'kistype: func\nfname: Paid\nfmode: Calculate\noperator: filtre\nwith: {where: status == "paid"}\n',
    'value.yml': `kistype: func
fname: Value
fmode: Calculate
operator: map
with:
  set:
    value: amount *
    label: uper(status)
    wrong: status = "paid"
  sett: {a: b}
`,
    'figures.yml': `kistype: func
fname: Figures
fmode: Calculate
operator: aggregate
with:
  key: [customer_id]
  fields:
    total: summ(amount)
    orders: count(amount, status)
    best: amount
`,
    'lookup.yml': 'kistype: func\nfname: Look\nfmode: Load\noperator: lookup\nwith: {match: {id: customer_id}, missing: nul}\n',
    'with.yml': 'kistype: func\nfname: With\nfmode: Save\nwith: {where: "true"}\noption: {cname: Figures}\n',
  });
  expect(problems).toEqual([
    'figures.yml:1: option.cname: missing; name the connector of the table that aggregate needs',
    'figures.yml:3: fmode: is Calculate, and aggregate is a Save function; write Save',
    'figures.yml:8: with.fields.total: there is no aggregate "summ"; did you mean "sum"?',
    'figures.yml:9: with.fields.orders: count takes one value; write count(field)',
    'figures.yml:10: with.fields.best: "amount" is no aggregate; write count, sum, avg, min, max, distinct of something: sum(amount)',
    'flow.yml:3: source.rows: Figures is an aggregate, which needs deletes and the rows before an update; write rows: change',
    'lookup.yml:5: with.take: is neither a list nor a mapping; write {new field: column of the other table}',
    'lookup.yml:5: with.missing: is "nul", not one of null, drop, fail; did you mean "null"?',
    'paid.yml:4: operator: is "filtre", not one of filter, map, project, aggregate, lookup, join, window, dedupe; did you mean "filter"?',
    'value.yml:7: with.set.value: "amount *" cannot be read at its end: unexpected token: EOF; write an expression such as status == "paid" && amount > 100',
    'value.yml:8: with.set.label: there is no function "uper"; did you mean "upper"?',
    'value.yml:9: with.set.wrong: "status = "paid"" cannot be read at character 8: unexpected character: =; compare with ==',
    'value.yml:10: with.sett: unknown key; did you mean "set"?',
    'with.yml:4: with: belongs to an operator; write operator: filter, map, project, aggregate, lookup, join, window, dedupe',
  ]);
});

const chain = {
  'flow.yml': flowYaml(['Paid', 'Fields', 'Value', 'Figures']),
  'paid.yml': 'kistype: func\nfname: Paid\nfmode: Calculate\noperator: filter\nwith: {where: stauts == "paid" && amount > "x"}\n',
  'fields.yml':
    'kistype: func\nfname: Fields\nfmode: Calculate\noperator: project\nwith: {keep: [amount, customer_id, custmer_id], rename: {status: state}}\n',
  'value.yml': 'kistype: func\nfname: Value\nfmode: Calculate\noperator: map\nwith: {set: {net: amount / 1.19}}\n',
  'figures.yml': `kistype: func
fname: Figures
fmode: Save
operator: aggregate
with: {key: {customer_id: customer_id}, fields: {totl: sum(net)}}
option: {cname: Figures}
`,
};

test('fields are checked against the real tables, and against what the operators before make of them', async () => {
  expect(await mistakesIn(chain, known)).toEqual([
    'fields.yml:5: with.keep[2]: there is no field "custmer_id"; did you mean "customer_id"?',
    'figures.yml:5: with.fields.totl: there is no column "totl"; did you mean "total"?',
    'paid.yml:5: with.where: there is no field "stauts"; did you mean "status"?',
    'paid.yml:5: with.where: "amount > "x"" compares a number with a text; make both sides one type: decimal(x), double(x) and string(x) convert',
  ]);
});

test('types that only the real tables can tell are asked for where the flow is about to run', async () => {
  const sum = 'kistype: func\nfname: Sum\nfmode: Calculate\noperator: map\nwith: {set: {total: amount + tax}}\n';
  const yaml = files({ 'flow.yml': flowYaml(['Sum']) });
  const configuration = await load({ ...yaml, 'sum.yml': sum }, { functionNames: new Set() });
  expect(examineOperators(configuration)).toEqual([]);
  expect(examineOperators(configuration, { runs: () => true }).map(formatProblem)[0]).toContain(
    'sum.yml:5: with.set.total: the types in "amount + tax" are not known: it may mean numbers or texts; grant SELECT',
  );
  const declared = { ...yaml, 'sum.yml': sum.replace('{set:', '{types: {amount: decimal, tax: decimal}, set:') };
  expect(examineOperators(await load(declared, { functionNames: new Set() }), { runs: () => true })).toEqual([]);
});

test('an operator in a flow that begins with code takes any field', async () => {
  const yaml = files({
    'flow.yml': flowYaml(['Code', 'Paid']),
    'code.yml': 'kistype: func\nfname: Code\nfmode: Calculate\n',
    'paid.yml': chain['paid.yml'],
  });
  const configuration = await load(yaml, { functionNames: new Set(['Code']) });
  const problems = examineOperators(configuration, { known, functionNames: new Set(['Code']) });
  expect(problems).toEqual([]);
});

/** Columns and key of a table as `db.table (key): name type, …` would have them; a type with ? may be NULL. */
function table(key: readonly string[], columns: Readonly<Record<string, string>>): Fields {
  const fields = Object.entries(columns).map(([name, type]) => [name, fieldOf(type.replace('?', ''), type.endsWith('?'))] as const);
  return { known: new Map(fields), isComplete: true, key };
}

const shop: KnownFields = {
  ...known,
  ofFlow: new Map([
    [
      'shop',
      fieldsOfTables(
        new Map([
          ['shop.orders', table(['id'], { id: 'int', customer_id: 'int?', code: 'varchar(9)', amount: 'decimal(12,2)' })],
          ['shop.customers', table(['id'], { id: 'int', code: 'varchar(9)', limit: 'decimal(12,4)', segment: 'varchar(9)' })],
          ['shop.log', table([], { id: 'int', code: 'varchar(9)', text: 'text' })],
        ]),
      ),
    ],
  ]),
};

function joinYaml(fname: string, spec: string): string {
  return `kistype: func\nfname: ${fname}\nfmode: Calculate\noperator: join\nwith: ${spec}\n`;
}

const right =
  '{left: shop.orders, right: shop.customers, on: {customer_id: id}, type: left, take: {segment: segment}, as: shop.joined}';

test('a join is checked against both tables, and what follows it knows its fields', async () => {
  const yaml = (join: string, after = '{where: segment == "gold" && amount > 1, table: shop.joined}') => ({
    'flow.yml': flowYaml(['Join', 'After']).replace('[shop.orders]', '[shop.orders, shop.customers, shop.log]'),
    'join.yml': joinYaml('Join', join),
    'after.yml': `kistype: func\nfname: After\nfmode: Calculate\noperator: filter\nwith: ${after}\n`,
  });
  expect(await mistakesIn({ ...yaml(right), 'wrong.yml': 'kistype: nothing\n' }, shop)).toHaveLength(1);
  const mistakes = async (join: string, after?: string) =>
    (await mistakesIn({ ...yaml(join, after), 'wrong.yml': 'kistype: nothing\n' }, shop)).slice(0, -1);
  expect(await mistakes(right, '{where: segmnt == "gold" && amount > "x", table: shop.joined}')).toEqual([
    'after.yml:5: with.where: there is no field "segmnt"; did you mean "segment"?',
    'after.yml:5: with.where: "amount > "x"" compares a number with a text; make both sides one type: decimal(x), double(x) and string(x) convert',
  ]);
  expect(await mistakes(right, '{where: amount > "x", table: shop.joined}')).toEqual([
    expect.stringContaining('"amount > "x"" compares a number with a text'),
  ]);
  expect(await mistakes(right, '{where: amount > 1, table: shop.orders}')).toEqual([
    'after.yml:5: with.table: there is no table "shop.orders"; write one of shop.log, shop.joined',
  ]);
  expect(
    await mistakes('{left: shop.order, right: shop.customers, on: {customer_id: idd}, take: {segment: segmet}}', '{where: "true"}'),
  ).toEqual([
    'join.yml:5: with.left: there is no table "shop.order"; did you mean "shop.orders"?',
    'join.yml:5: with.on.customer_id: there is no field "idd"; did you mean "id"?',
    'join.yml:5: with.take.segment: there is no field "segmet"; did you mean "segment"?',
  ]);
  const like = (on: string, more = '') => `{left: shop.orders, right: shop.customers, on: ${on}, take: {n: id}${more}}`;
  expect(await mistakes(like('{customer_id: code}'), '{where: "true"}')).toEqual([
    'join.yml:5: with.on.customer_id: customer_id (a number) is compared with code (a text); make both alike with a map before the join that names its table in with.table',
  ]);
  expect(await mistakes(like('{amount: limit}'), '{where: "true"}')).toEqual([
    expect.stringContaining('amount (2 digits after the point) is compared with limit (4 digits after the point)'),
  ]);
  expect(await mistakes(like('[code]', ', type: left'), '{where: "true"}')).toEqual([
    'join.yml:5: with.type: this is a left join, for which a row of the left table may have one row of shop.customers at most: the key of shop.customers (id) must be among the fields that are joined on; join on id, or write type: inner',
  ]);
  expect(await mistakes('{left: shop.orders, right: shop.customers, on: [code], take: {code: code}}', '{where: "true"}')).toEqual([
    'join.yml:5: with.take.code: shop.orders has a field "code" already; take it under another name: { other_code: code }',
    'join.yml:5: with.take: a row of shop.orders may have several of shop.customers, and id of its key is not among the joined fields; take it: { id: id }',
  ]);
  expect(
    await mistakes('{left: shop.orders, right: shop.log, on: [code], take: [text], as: shop.customers}', '{where: "true"}'),
  ).toEqual([
    'join.yml:5: with.right: rows of shop.log have no primary key here; give the table one, and keep its fields in what stands before the join',
    'join.yml:5: with.as: rows of the table shop.customers come here already; take another name',
  ]);
});

test('a join and an operator for one table need whole changes and tables that the flow reads, whatever is known of these', async () => {
  expect(
    await mistakesIn({
      'flow.yml': flowYaml(['Join'], 'after'),
      'other.yml': flowYaml(['Only'], 'after').replace('flow_name: shop', 'flow_name: other'),
      'join.yml': joinYaml('Join', right),
      'only.yml': 'kistype: func\nfname: Only\nfmode: Calculate\noperator: filter\nwith: {where: "true", table: shop.orders}\n',
    }),
  ).toEqual([
    'flow.yml:3: source.rows: Join is a join, which needs deletes and the rows before an update; write rows: change',
    'join.yml:5: with.right: there is no table "shop.customers"; write one of shop.orders',
    'other.yml:3: source.rows: Only is for rows of one table, and plain rows do not say theirs; write rows: change',
  ]);
});

test('a window and a dedupe that remembers say which of their keys are missing, wrong or do not go together', async () => {
  const window = (spec: string) => `kistype: func\nfname: W\nfmode: Calculate\noperator: window\nwith: ${spec}\n`;
  const dedupe = (spec: string) => `kistype: func\nfname: D\nfmode: Calculate\noperator: dedupe\nwith: ${spec}\n`;
  const mistakes = async (yaml: string, rows = 'change') => {
    const name = yaml.includes('operator: window') ? 'W' : 'D';
    return mistakesIn({ 'flow.yml': flowYaml([name], rows), 'one.yml': yaml, 'wrong.yml': 'kistype: nothing\n' }, shop).then(
      (all) => all.filter((line) => !line.startsWith('wrong.yml')).map((line) => line.replace('one.yml:5: ', '')),
    );
  };
  expect(await mistakes(window('{kind: session, time: code, gap: 30, key: [id]}'))).toEqual([
    'with.gap: is "30"; write a number with ms, s, m, h or d: 15m',
  ]);
  expect(await mistakes(window('{kind: session, time: code, every: 1m, lateness: 1h}'))).toEqual([
    'with.every: does not belong to a session window; it has gap and key',
    'with.gap: missing; a session window needs gap and key',
    'with.key: missing; a session window needs gap and key',
  ]);
  expect(await mistakes(window('{kind: tumblig, size: 1h}'))).toEqual([
    'with.kind: is "tumblig", not one of tumbling, sliding, session; did you mean "tumbling"?',
    'with.time: missing; name the field with the time of a row',
  ]);
  expect(await mistakes(window('{kind: sliding, time: code, size: 1h, every: 2h}'))).toEqual([
    'with.every: is longer than size, so rows would be in no window; write size, or less',
  ]);
  expect(await mistakes(window('{kind: sliding, time: code, size: 1d, every: 1s}'))).toEqual([
    'with.every: puts a row into more than 1000 windows; write a longer time, or a smaller size',
  ]);
  expect(await mistakes(window('{kind: tumbling, time: cod, size: 1h, table: shop.orders, as: {start: amount}}'))).toEqual([
    'with.time: there is no field "cod"; did you mean "code"?',
    'with.as.start: there is a field "amount" already; take another name',
  ]);
  expect(await mistakes(window('{kind: session, time: code, gap: 1h, key: [id], table: shop.log}'))).toEqual([
    expect.stringContaining('with.kind: rows have no primary key here'),
  ]);
  expect(await mistakes(window('{kind: session, time: code, gap: 1h, key: [id], table: shop.orders, as: {end: until}}'))).toEqual([
    'with.as.end: does not belong to a session window, whose end is not known; remove it',
  ]);
  expect(await mistakes(window('{kind: session, time: code, gap: 1h, key: [id]}'), 'after')).toEqual([
    'flow.yml:3: source.rows: W makes sessions, which needs deletes and the rows before an update; write rows: change',
  ]);
  expect(await mistakes(dedupe('{key: [id], remember: soon}'), 'after')).toEqual([
    'with.remember: is "soon"; write a time such as 24h, or forever',
  ]);
  expect(await mistakes(dedupe('{key: [id], remember: 24h, keep: last, table: shop.orders}'), 'after')).toEqual([
    'with.keep: is "last", and what is remembered is the first row; write first',
    'with.table: does not go with remember, which is for plain rows; put a filter before it in a flow of its own',
  ]);
  expect(await mistakes(dedupe('{key: [id], remember: forever}'))).toEqual([
    'flow.yml:3: source.rows: D remembers keys, which it does for plain rows only; write rows: after',
  ]);
});
