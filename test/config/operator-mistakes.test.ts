import { expect, test } from 'vitest';
import type { Configuration } from '../../src/config/configuration.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { examineOperators, type KnownFields } from '../../src/daemon/operators.ts';
import { fieldOf, type Fields } from '../../src/flow/operator/field.ts';
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
    'paid.yml:4: operator: is "filtre", not one of filter, map, project, aggregate, lookup, dedupe; did you mean "filter"?',
    'value.yml:7: with.set.value: "amount *" cannot be read at its end: unexpected token: EOF; write an expression such as status == "paid" && amount > 100',
    'value.yml:8: with.set.label: there is no function "uper"; did you mean "upper"?',
    'value.yml:9: with.set.wrong: "status = "paid"" cannot be read at character 8: unexpected character: =; compare with ==',
    'value.yml:10: with.sett: unknown key; did you mean "set"?',
    'with.yml:4: with: belongs to an operator; write operator: filter, map, project, aggregate, lookup, dedupe',
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
