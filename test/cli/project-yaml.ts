/** The global document with this store. */
export function globalYaml(storeUrl: string): string {
  return `kistype: global\nstore: {url: "${storeUrl}"}\n`;
}

export function sourceYaml(url: string, more = ''): string {
  return `kistype: source\nname: main\ntype: mysql-binlog\nurl: "${url}"\n${more}`;
}

/** A flow that copies what it reads into a computed table, with its function and connector. */
export function mirrorYaml(options: {
  readonly flow: string;
  readonly tables: readonly string[];
  readonly key: string;
  readonly start?: string;
  readonly status?: 0 | 1;
  readonly type?: string;
  readonly addrs?: string;
  readonly params?: string;
}): string {
  const { flow } = options;
  return `kistype: flow
flow_name: ${flow}
status: ${options.status ?? 1}
source: {name: main, tables: [${options.tables.map((table) => `"${table}"`).join(', ')}], start: "${options.start ?? 'latest'}"}
flows: [{fname: save_${flow}}]
---
kistype: func
fname: save_${flow}
fmode: Save
option: {cname: conn_${flow}}
---
kistype: conn
cname: conn_${flow}
type: ${options.type ?? 'mysql'}
addrs: ${options.addrs ?? 'store'}
key: ${options.key}
params: {${options.params ?? ''}}
`;
}
