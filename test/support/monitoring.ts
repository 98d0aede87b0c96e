import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { load } from 'js-yaml';
import { z } from 'zod';
import { parseQuery, passes, type Query } from './promql.ts';
import type { Sample } from './prometheus.ts';

const folder = resolve(import.meta.dirname, '../../docs/monitoring');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const rule = z.strictObject({
  alert: z.string().regex(/^Kisflow[A-Z]\w+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[smhd]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.string() }),
});

/** The shape of a rule file of Prometheus, as far as we use it. */
const ruleFile = z.strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })) });

export type AlertRule = z.infer<typeof rule>;

/** The rules of docs/monitoring/alerts.yml. */
export function readAlerts(): readonly AlertRule[] {
  return ruleFile.parse(load(read('alerts.yml'))).groups.flatMap(({ rules }) => rules);
}

const panel = z.looseObject({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  gridPos: z.strictObject({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
  targets: z.array(z.looseObject({ expr: z.string(), datasource: z.looseObject({ uid: z.literal('${datasource}') }) })).default([]),
});
const dashboard = z.looseObject({
  title: z.string(),
  schemaVersion: z.number(),
  templating: z.looseObject({ list: z.array(z.looseObject({ name: z.string(), type: z.string() })) }),
  panels: z.array(panel),
});

export type Dashboard = z.infer<typeof dashboard>;

export function readDashboard(): Dashboard {
  return dashboard.parse(JSON.parse(read('grafana-dashboard.json')));
}

/** Every expression of the alerts and of the dashboard, with where it stands. */
export function monitoringQueries(): readonly { readonly where: string; readonly query: Query }[] {
  const alerts = readAlerts().map(({ alert, expr }) => ({ where: `alert ${alert}`, expr }));
  const panels = readDashboard().panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
  );
  return [...alerts, ...panels].map(({ where, expr }) => ({
    where,
    query: parseQuery(expr.replaceAll('$__rate_interval', '5m').replaceAll('$flow', '.*')),
  }));
}

/** Labels that Prometheus adds to what it scrapes. */
const scraped = ['job', 'instance'];

/** What these queries speak of that a scrape does not have: nothing, when all is well. */
export function missingFrom(samples: readonly Sample[], queries: ReturnType<typeof monitoringQueries>): readonly string[] {
  return queries.flatMap(({ where, query: { selectors, grouping } }) => {
    const known = new Set(scraped);
    const missing = selectors.flatMap(({ name, matchers }) => {
      const named = samples.filter((sample) => sample.name === name);
      if (named.length === 0) return [`${where}: there is no ${name}`];
      for (const label of named.flatMap(({ labels }) => Object.keys(labels))) known.add(label);
      const isThere = named.some(({ labels }) =>
        matchers.every((matcher) => labels[matcher.label] !== undefined && passes(matcher, labels[matcher.label] ?? '')),
      );
      return isThere ? [] : [`${where}: no ${name} has ${JSON.stringify(matchers)}`];
    });
    const unknown = grouping.filter((label) => !known.has(label)).map((label) => `${where}: no metric of it has a label ${label}`);
    return [...missing, ...unknown];
  });
}
