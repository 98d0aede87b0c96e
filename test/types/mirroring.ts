import { createConnection, type Connection } from 'mysql2/promise';
import type { BatchScope, ConnectorSession } from '../../src/connector/contract.ts';
import { createMysqlConnector } from '../../src/connector/mysql.ts';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { makeChange, type Row } from '../../src/row/change.ts';
import { openSourceLogin, parseSourceUrl } from '../../src/source/server-link.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { never, type FlatChange } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';
import { createDatabase } from '../support/servers.ts';

/** A database that changes are saved into, as a Save function without code saves them. */
export interface Mirror {
  readonly connection: Connection;
  /** Asks as kisflow asks. */
  readonly asker: Connection;
  /** What the save was refused with; undefined where it was not. */
  readonly save: (table: string, changes: readonly FlatChange[]) => Promise<unknown>;
  /** What a Load function without code gives. */
  readonly load: (table: string, keys: readonly Row[]) => Promise<readonly Row[]>;
}

export async function createMirror(server: SqlAddress): Promise<Mirror> {
  const { name, url, connection } = await createDatabase(server, 'mirror');
  await connection.query("SET sql_mode = 'ALLOW_INVALID_DATES'");
  const store = await openStore({ url });
  onEnd(() => store.close());
  return {
    connection,
    asker: await connectAsKisflow(server, name),
    save: (table, changes) => save(store, `${name}.${table}`, changes),
    load: (table, keys) => store.transaction((transaction) => sessionOn(transaction, `${name}.${table}`).load(keys)),
  };
}

export async function connectAsKisflow(server: SqlAddress, database: string): Promise<Connection> {
  const connection = await createConnection({
    ...openSourceLogin(parseSourceUrl(`${server.url}/${database}`), 10_000).options,
    multipleStatements: false,
  });
  onEnd(async () => connection.destroy());
  await connection.query("SET time_zone = '+00:00'");
  return connection;
}

async function save(store: Store, table: string, changes: readonly FlatChange[]): Promise<unknown> {
  const rows = changes.map(({ op, before, after }) => {
    if (op !== 'insert' && op !== 'update' && op !== 'delete') throw new Error(`an op ${op}`);
    return makeChange({ op, table, before: before ?? null, after: after ?? null, key: [], position: 'f:1', time: 0 });
  });
  try {
    await store.transaction((transaction) => sessionOn(transaction, table).save(rows));
    return undefined;
  } catch (error) {
    return error;
  }
}

function sessionOn(store: BatchScope['store'], table: string): ConnectorSession {
  const connector = createMysqlConnector({ name: table, type: 'mysql', addrs: 'store', key: table, params: {} });
  return connector.session({ id: 'b', flow: 'f', store, signal: never, logger: silentLogger });
}

export function groupByTable(changes: readonly FlatChange[]): ReadonlyMap<string, readonly FlatChange[]> {
  const groups = new Map<string, FlatChange[]>();
  for (const change of changes) {
    const group = groups.get(change.table);
    if (group === undefined) groups.set(change.table, [change]);
    else group.push(change);
  }
  return groups;
}

export function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text;
}
