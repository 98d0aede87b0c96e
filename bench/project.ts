import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createOrders } from './orders.ts';

/**
 * mirror: the orders as they are; totals: figures of each customer, kept by a function with code; figures: the same kept by the
 * operator aggregate.
 */
export type FlowKind = 'mirror' | 'totals' | 'figures';

export interface ProjectOptions {
  readonly flow: FlowKind;
  readonly rows: 'after' | 'change';
  /** Absent: it keeps none. */
  readonly hasLineage?: boolean | undefined;
  /** Tables of the source. */
  readonly tables: readonly string[];
  readonly start: 'snapshot' | 'earliest' | 'latest';
  readonly sourceUrl: string;
  readonly storeUrl: string;
}

/** A kisflow project in a temporary folder. */
export interface Project {
  readonly folder: string;
  remove(): Promise<void>;
}

/** Writes a project as a user would: configuration, functions, migrations. */
export async function createProject(options: ProjectOptions): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'kisflow-bench-'));
  const files: Readonly<Record<string, string>> = {
    'conf/bench.yml': configuration(options),
    'migrations/001-tables.sql': `${createOrders('orders')};\n${createTotals};\n`,
    'functions/AddTotals.ts': addTotals,
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

function configuration({ flow, rows, tables, start, sourceUrl, storeUrl, hasLineage = false }: ProjectOptions): string {
  const { fname, table, operator } = functions[flow];
  return `kistype: global
store: {url: "${storeUrl}/bench"}
---
kistype: source
name: main
type: mysql-binlog
url: "${sourceUrl}"
---
kistype: flow
flow_name: ${flow}
lineage: ${hasLineage}
source: {name: main, tables: [${tables.join(', ')}], rows: ${rows}, start: ${start}, on_truncate: ignore, on_drop: ignore}
flows: [{fname: ${fname}}]
---
kistype: func
fname: ${fname}
fmode: Save
${operator}option: {cname: target}
---
kistype: conn
cname: target
type: mysql
addrs: store
key: ${table}
`;
}

/** The flow's function: its name, the table that it writes, and what makes it an operator. */
const functions: Readonly<Record<FlowKind, { readonly fname: string; readonly table: string; readonly operator: string }>> = {
  mirror: { fname: 'SaveOrders', table: 'orders', operator: '' },
  totals: { fname: 'AddTotals', table: 'customer_total', operator: '' },
  figures: {
    fname: 'CustomerFigures',
    table: 'customer_total',
    operator: 'operator: aggregate\nwith: {key: [customer_id], fields: {orders: count(), amount: sum(amount)}}\n',
  },
};

const createTotals =
  'CREATE TABLE customer_total (customer_id INT NOT NULL PRIMARY KEY, orders BIGINT NOT NULL, amount DECIMAL(20,2) NOT NULL)';

const addTotals = `import { defineFunction } from 'kisflow';

const cents = (row) => Math.round(Number(row.amount) * 100);

export default defineFunction({
  name: 'AddTotals',
  async run(flow, changes) {
    const totals = new Map();
    const add = (row, sign) => {
      if (row === null) return;
      const total = totals.get(row.customer_id) ?? { orders: 0, cents: 0 };
      total.orders += sign;
      total.cents += sign * cents(row);
      totals.set(row.customer_id, total);
    };
    for (const { before, after } of changes) {
      add(before, -1);
      add(after, 1);
    }
    const values = [...totals].map(([id, total]) => \`(\${id},\${total.orders},\${(total.cents / 100).toFixed(2)})\`);
    await flow.getConnector().query(
      \`INSERT INTO customer_total (customer_id, orders, amount) VALUES \${values.join(',')}
       ON DUPLICATE KEY UPDATE orders = orders + VALUES(orders), amount = amount + VALUES(amount)\`,
    );
  },
});
`;
