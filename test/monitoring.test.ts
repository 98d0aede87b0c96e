import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { errorCodes } from '../src/lib/error-codes.ts';
import { DaemonMetrics } from '../src/daemon/daemon-metrics.ts';
import { FlowMetrics } from '../src/flow/flow-metrics.ts';
import { readPage } from './support/documents.ts';
import { missingFrom, monitoringQueries, readAlerts, readDashboard } from './support/monitoring.ts';
import { parseQuery } from './support/promql.ts';

const page = 'docs/monitoring/README.md';

describe('the alert rules', () => {
  const alerts = readAlerts();

  test('are rules of Prometheus: each has a name of its own, an expression, a severity and a text', () => {
    expect(alerts.length).toBeGreaterThan(15);
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    for (const { expr } of alerts) expect(parseQuery(expr).selectors.length).toBeGreaterThan(0);
  });

  test('name labels in their texts that their expression leaves', () => {
    for (const { alert, expr, annotations } of alerts) {
      const { grouping, selectors } = parseQuery(expr);
      const named = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label);
      const isAggregated = /^\s*(sum|max|min) by/.test(expr);
      for (const label of named) {
        if (isAggregated) expect(grouping, `${alert}: ${label}`).toContain(label);
        else expect(selectors.length, alert).toBeGreaterThan(0);
      }
    }
  });

  test('each has its section in the operations page, and no section is left over', () => {
    const text = /^## Alerts\n([^]*?)(?=^## |(?![^]))/m.exec(readPage('docs/operations.md'))?.[1] ?? '';
    const sections = [...text.matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name);
    expect(sections).toEqual(alerts.map(({ alert }) => alert));
    for (const { alert, annotations } of alerts) expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    for (const section of text.split(/^### /m).slice(1)) {
      expect(section.length, section.slice(0, 40)).toBeGreaterThan(120);
      expect(section).toContain('What to do:');
    }
  });

  test('each is shown to fire, in the cases for promtool', () => {
    const cases = readFileSync(join(resolve(import.meta.dirname, '..'), 'docs/monitoring/alerts-test.yml'), 'utf8');
    const shown = [...cases.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n/g)].map(([, name = '']) => name);
    expect([...new Set(shown)].toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
  });
});

describe('the dashboard', () => {
  const { panels, templating } = readDashboard();

  test('can be imported: a data source and the flows to choose, rows, and panels that do not overlap', () => {
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'flow']);
    expect(panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
      'Overview',
      'Lag and freshness',
      'Throughput',
      'Functions and store',
      'Errors and dead rows',
      'Process',
    ]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)}:${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { type, targets, title } of panels) expect(targets.length > 0, title).toBe(type !== 'row');
  });

  test('every expression is PromQL', () => {
    expect(monitoringQueries().length).toBeGreaterThan(60);
  });
});

test('what is compared with a scrape: a name, a label and a value that it does not have are found', () => {
  const samples = [{ name: 'a', labels: { flow: 'x', state: 'dead' }, value: 1 }];
  const check = (expr: string): readonly string[] => missingFrom(samples, [{ where: 'it', query: parseQuery(expr) }]);
  expect(check('sum by (flow) (rate(a{state=~"dead|gone"}[5m])) and on (job) a')).toEqual([]);
  expect(check('sum(b)')).toEqual(['it: there is no b']);
  expect(check('a{state="gone"}')).toEqual([expect.stringContaining('no a has')]);
  expect(check('a{stat="dead"}')).toEqual([expect.stringContaining('no a has')]);
  expect(check('sum by (flw) (a)')).toEqual(['it: no metric of it has a label flw']);
  expect(() => check('sum by (flow) (a')).toThrow('not PromQL');
});

describe('the metrics page', () => {
  test('names every metric with its type, its labels and its meaning (UPDATE_DOCS=1 writes it)', () => {
    const file = join(resolve(import.meta.dirname, '..'), page);
    const [own, others] = tables();
    const text = readFileSync(file, 'utf8');
    const next = replaceTable(replaceTable(text, 'flows', own), 'process', others);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, next);
    expect(readFileSync(file, 'utf8')).toBe(next);
  });
});

interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

function isDescribed(metric: object): metric is Described {
  return 'name' in metric && 'type' in metric && 'help' in metric && 'labelNames' in metric;
}

/** kisflow's own and KisFlow's; and those of the process, which prom-client names. */
function tables(): readonly [readonly string[], readonly string[]] {
  const figures = new FlowMetrics();
  const daemon = new DaemonMetrics(figures.registry, { version: '0' });
  const metrics = metricsOf(daemon.registry);
  const isProcess = ({ name }: Described): boolean => /^(process|nodejs)_/.test(name);
  return [metrics.filter((metric) => !isProcess(metric)).map(rowOf), metrics.filter(isProcess).map(rowOf)];
}

function metricsOf(registry: Registry): readonly Described[] {
  return registry.getMetricsAsArray().map((metric) => {
    if (!isDescribed(metric)) throw new Error('prom-client describes its metrics in another way');
    return metric;
  });
}

function rowOf({ name, type, help, labelNames }: Described): string {
  const labels = labelNames.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
}

/** The page with these rows in the table behind the mark; columns are as wide as their widest cell, as the formatter has them. */
function replaceTable(text: string, mark: string, rows: readonly string[]): string {
  const lines = ['| metric | type | labels | what it is |', ...rows].map((line) => line.slice(2, -2).split(' | '));
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const [head = '', ...body] = lines.map(
    (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  const table = [head, rule, ...body].join('\n');
  return text.replace(new RegExp(`(<!-- ${mark}: [^]*?-->\n\n)[^]*?(?=\n\n|\n*$)`), (_all, begin: string) => `${begin}${table}`);
}

test('every error code has a meaning and a remedy, and the operations page leads to them', () => {
  for (const [code, { meaning, remedy }] of Object.entries(errorCodes)) {
    expect(meaning.length, code).toBeGreaterThan(20);
    expect(remedy.length, code).toBeGreaterThan(20);
    expect(readPage('docs/errors.md')).toContain(`## ${code}\n`);
  }
  expect(readPage('docs/operations.md')).toContain('(errors.md)');
});
