import { randomBytes } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { migrationPrivileges } from '../../src/cli/check/needed-grants.ts';
import { CodedError } from '../../src/lib/error.ts';
import { deferred } from '../../src/lib/abort.ts';
import { listBinlogs, readHead } from '../../src/source/binlog-places.ts';
import { DumpConnection } from '../../src/source/dump-connection.ts';
import { withServer } from '../../src/source/server-link.ts';
import { readIdentity } from '../../src/source/server-settings.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { runLine } from '../daemon/run-project.ts';
import { never } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';
import { spawnDaemon } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** What an account that lacks a right ends in. */
const refusals: readonly string[] = ['SOURCE_GRANT_MISSING', 'STORE_ACCESS_DENIED'];

interface Report {
  readonly subject: string;
  readonly isExamined: boolean;
  readonly statements: readonly { readonly sql: string }[];
  readonly lacks: readonly string[];
  readonly excess: readonly string[];
  readonly rebuilds?: { readonly statements: readonly string[]; readonly isHeld?: boolean };
}

/** What the migrations do beside making tables: each kind needs a right of its own. */
const moreMigrations = `CREATE TABLE scratch (id INT PRIMARY KEY, v INT);
ALTER TABLE scratch ADD COLUMN w INT;
CREATE INDEX by_v ON scratch (v);
RENAME TABLE scratch TO scratched;
CREATE VIEW seen AS SELECT id FROM scratched;
`;

/** A project whose urls name two accounts that are not there yet. */
async function createLimitedProject(server: Parameters<typeof createShopProject>[0]['source']) {
  const project = await createShopProject({
    source: server,
    store: server,
    start: 'earliest',
    files: { 'migrations/002-more.sql': moreMigrations },
  });
  const admin = await connectTo(server);
  const [source, store] = ['s', 't'].map((each) => `kis_${each}_${randomBytes(4).toString('hex')}`);
  onEnd(async () => {
    const last = await connectTo(server);
    for (const user of [source, store]) await last.query(`DROP USER IF EXISTS '${user}'@'%'`);
  });
  const url = (user: string | undefined) => `mysql://${user}:secret@${server.host}:${server.port}`;
  const env = { SOURCE_URL: url(source), STORE_URL: `${url(store)}/${project.store.name}` };
  return { ...project, admin, env, users: { source: String(source), store: String(store) } };
}

type LimitedProject = Awaited<ReturnType<typeof createLimitedProject>>;

async function askGrants(project: Pick<ShopProject, 'folder' | 'env'>, code = 0): Promise<readonly Report[]> {
  const said = await runLine(project, ['check', '--grants', '--json'], code);
  const { accounts }: { accounts: readonly Report[] } = JSON.parse(said);
  return accounts;
}

/** Makes the accounts by the printed statements and nothing else. */
async function grantPrinted({ admin }: LimitedProject, reports: readonly Report[]): Promise<void> {
  for (const { sql } of reports.flatMap(({ statements }) => statements))
    await admin.query(sql.replace(/'<the password of the url>'/, "'secret'"));
}

/** Everything that a source's account is for, in short. */
async function useSource(flavour: 'mysql' | 'mariadb', url: string): Promise<void> {
  const first = await withServer({ url, connectTimeoutMs: 5000, signal: never }, async (query) => {
    await readHead(query, await readIdentity(query));
    return (await listBinlogs(query)).at(-1)?.name ?? '';
  });
  const end = deferred<void>();
  const dump = new DumpConnection({
    url,
    flavour,
    connectTimeoutMs: 5000,
    serverId: 3_000_000 + Math.floor(Math.random() * 1_000_000),
    from: { file: first, offset: 4 },
    isBounded: true,
    heartbeatMs: 1000,
    onEvent: () => {},
    onEnd: () => end.resolve(),
    onError: (error) => end.reject(error),
  });
  await end.promise.finally(() => dump.close());
}

/** The same of the store's: migrations from nothing, and a lease. */
async function useStore(url: string, dir: string): Promise<void> {
  const store = await openStore({ url });
  try {
    await migrate({ store, dir });
    const leases = new LeaseKeeper({ store, holder: 'probe', ttlMs: 1000 });
    await leases.acquire('probe', 0);
  } finally {
    await store.close();
  }
}

async function empty(admin: Connection, database: string): Promise<void> {
  await admin.query(`DROP DATABASE IF EXISTS \`${database}\``);
  await admin.query(`CREATE DATABASE \`${database}\` CHARACTER SET utf8mb4`);
}

/** Each privilege of the statements by itself, with what it is on. */
function privilegesOf(report: Report | undefined): readonly { readonly privilege: string; readonly on: string }[] {
  return (report?.statements ?? []).flatMap(({ sql }) => {
    const [, privileges = '', on = ''] = /^GRANT (.+) ON (.+) TO /.exec(sql) ?? [];
    return privileges === '' ? [] : privileges.split(', ').map((privilege) => ({ privilege, on }));
  });
}

eachServer((flavour, server) => {
  it('check --grants prints what is enough for all that a daemon and its commands do, before the accounts exist', async () => {
    const project = await createLimitedProject(server);
    const before = await askGrants(project);
    expect(before.map(({ subject, isExamined }) => `${subject} ${isExamined}`)).toEqual(['source main false', 'store false']);
    await grantPrinted(project, before);
    const after = await askGrants(project);
    expect(after.map(({ lacks, excess }) => ({ lacks, excess }))).toEqual([
      { lacks: [], excess: [] },
      { lacks: [], excess: [] },
    ]);
    expect(after.map(({ rebuilds }) => rebuilds?.isHeld)).toEqual([undefined, false]);
    const orders = project.source.connection;
    await orders.query("INSERT INTO orders VALUES (1, 1, 10, 'a'), (2, 1, 20, 'b'), (3, 2, 30, 'c')");
    const args = ['run', '--lease-ttl', '1500', '--log-level', 'info'];
    const first = await spawnDaemon(args, { cwd: project.folder, env: project.env });
    const has = (rows: number) => () =>
      project.store.connection
        .query<RowDataPacket[]>('SELECT COUNT(*) AS n FROM orders_copy')
        .then(([[row]]) => Number(row?.['n']) === rows);
    await waitFor(has(3), { deadlineMs: 60_000 });
    const standby = await spawnDaemon(args, { cwd: project.folder, env: project.env });
    await standby.waitForLine(/stands by|standby|another daemon/i, 60_000).catch(() => undefined);
    const [connections] = await project.store.connection.query<RowDataPacket[]>('SELECT connection_id AS id FROM kis_lease');
    // frozen, with its connections open: the standby has to end them
    first.kill('SIGSTOP');
    await orders.query(
      "UPDATE orders SET cents = 11 WHERE id = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (4, 2, 1, 'd')",
    );
    await waitFor(async () => (await disagreements(project)).length === 0, { deadlineMs: 60_000 });
    const ids = connections.map(({ id }) => Number(id));
    const [left] = await project.admin.query<RowDataPacket[]>('SELECT id FROM information_schema.processlist WHERE id IN (?)', [
      ids,
    ]);
    expect(ids.length).toBe(2);
    expect(left).toEqual([]);
    first.kill('SIGKILL');
    await runLine(project, ['pause', 'mirror']);
    await runLine(project, ['resume', 'mirror']);
    await runLine(project, ['status']);
    await runLine(project, ['inspect', 'orders_copy', '--key', '1']);
    await runLine(project, ['dead-rows', 'list']);
    // a rebuild and a verify want more, are refused without, and that too is printed
    expect(await runLine(project, ['rebuild', 'mirror'], 1)).toMatch(/REBUILD_IMPOSSIBLE.*kisflow check --grants/);
    for (const sql of after.flatMap(({ rebuilds }) => rebuilds?.statements ?? [])) await project.admin.query(sql);
    expect((await askGrants(project)).at(-1)).toMatchObject({ lacks: [], excess: [], rebuilds: { isHeld: true } });
    await runLine(project, ['rebuild', 'mirror']);
    await runLine(project, ['verify', 'mirror']);
    const checked = await runLine(project, ['check', '--json']);
    const { errors, warnings, findings } = JSON.parse(checked);
    expect({ errors, warnings }, JSON.stringify(findings)).toMatchObject({ errors: 0 });
    expect(checked).not.toContain('SOURCE_TABLE_HIDDEN');
    standby.kill();
    expect((await standby.waitForExit(60_000)).code).toBe(0);
  }, 180_000);

  it('and none of what it prints is too much: without any one of it something fails', async () => {
    const project = await createLimitedProject(server);
    const { admin, env, users, store } = project;
    const dir = `${project.folder}/migrations`;
    const reports = await askGrants(project);
    await grantPrinted(project, reports);
    const [ofSource, ofStore] = reports;
    await useSource(flavour, env.SOURCE_URL);
    await empty(admin, store.name);
    await useStore(env.STORE_URL, dir);
    const use = async (isSource: boolean, privilege: string): Promise<void> => {
      if (!isSource) return useStore(env.STORE_URL, dir);
      if (privilege !== 'SELECT') return useSource(flavour, env.SOURCE_URL);
      const checked = await runLine(project, ['check', '--json'], 0);
      if (checked.includes('SOURCE_TABLE_HIDDEN')) throw new CodedError('SOURCE_GRANT_MISSING', 'check warns');
    };
    const needless: string[] = [];
    const all = [ofSource, ofStore].flatMap((report) =>
      privilegesOf(report).map((each) => ({ ...each, isSource: report === ofSource })),
    );
    for (const { privilege, on, isSource } of all) {
      const account = `'${isSource ? users.source : users.store}'@'%'`;
      await admin.query(`REVOKE ${privilege} ON ${on} FROM ${account}`);
      if (!isSource) await empty(admin, store.name);
      const failure = await use(isSource, privilege).catch((error: unknown) => error);
      if (failure === undefined) needless.push(`${privilege} ON ${on}`);
      else expect(refusals, String(failure)).toContain(failure instanceof CodedError ? failure.code : 'no code');
      await admin.query(`GRANT ${privilege} ON ${on} TO ${account}`);
    }
    expect(all.length).toBeGreaterThan(8);
    expect(needless).toEqual([]);
    await admin.query(`REVOKE INSERT ON \`${store.name.replaceAll('_', '\\_')}\`.* FROM '${users.store}'@'%'`);
    await admin.query(`GRANT RELOAD ON *.* TO '${users.store}'@'%'`);
    const lacking = (await askGrants(project, 1)).at(-1);
    expect(lacking?.lacks.map((each) => each.replaceAll('\\', ''))).toEqual([`INSERT ON \`${store.name}\`.*`]);
    expect(lacking?.excess).toEqual(['RELOAD ON *.*']);
  }, 180_000);
});

describe('what migrations need', () => {
  it.each([
    ['CREATE TABLE t (id INT)', 'CREATE'],
    ['CREATE OR REPLACE TABLE t (id INT)', 'CREATE, DROP'],
    ['CREATE TABLE t (id INT, FOREIGN KEY (id) REFERENCES o (id))', 'CREATE, REFERENCES'],
    ['ALTER TABLE t ADD COLUMN v INT', 'ALTER'],
    ['ALTER TABLE t DROP PARTITION p', 'ALTER, DROP'],
    ['create unique index i on t (v)', 'INDEX'],
    ['CREATE OR REPLACE VIEW v AS SELECT 1', 'CREATE VIEW, DROP'],
    ['CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1', 'TRIGGER'],
    ['RENAME TABLE a TO b', 'ALTER, DROP'],
    ['TRUNCATE t', 'DROP'],
    ['INSERT INTO t VALUES (1)', ''],
  ])('%s: %s', (sql, privileges) => expect(migrationPrivileges([sql]).join(', ')).toBe(privileges));
});
