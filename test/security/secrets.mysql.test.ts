import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { findFreePort } from '../../src/embedded/free-port.ts';
import { onEnd } from '../support/cleanup.ts';
import { spawnDaemon, startCommand } from '../support/daemon-process.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** The secrets of the test: each of a core that stands nowhere else, and of signs that an address has to percent-encode. */
const secrets = {
  source: 'PlantedSource9@/%x',
  store: 'PlantedStore9@/%x',
  wrong: 'PlantedWrong9@/%x',
  redis: 'PlantedRedis9@/%x',
  connector: 'PlantedConnector9',
  token: 'PlantedToken9@/%x',
  http: 'PlantedHttp9@/%x-and-more',
};

function spellings(secret: string): readonly string[] {
  return [secret.replace(/@.*$/, ''), secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').slice(0, -4)];
}

/** Which secrets stand in a text. */
function leaks(text: string): string[] {
  const lower = text.toLowerCase();
  return Object.entries(secrets).flatMap(([name, secret]) =>
    spellings(secret).some((each) => lower.includes(each.toLowerCase())) ? [name] : [],
  );
}

const functions = {
  'functions/QuoteUrl.ts': `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'QuoteUrl', run() {
  throw new Error('cannot do it with ' + process.env.SOURCE_URL, { cause: new Error('nor with ' + process.env.STORE_URL) });
} });`,
  'functions/RefuseRow.ts': `import { CodedError, defineFunction } from 'kisflow';
export default defineFunction({ name: 'RefuseRow', run(flow, rows) {
  flow.logger.error({ url: process.env.SOURCE_URL, err: Object.assign(new Error('with ' + process.env.STORE_URL), { config: { password: 'PlantedStore9@/%x' } }) }, 'logged');
  if (rows.some((row) => row.after?.id === 1)) throw new CodedError('ROW_INVALID', 'refused at ' + process.env.STORE_URL, { class: 'row', cause: new Error('of ' + process.env.SOURCE_URL) });
} });`,
  'functions/BadSql.ts': `import { defineFunction } from 'kisflow';
export default defineFunction({ name: 'BadSql', async run(flow) { await flow.getConnector().query('SELEKT ?', [1]); } });`,
};

function moreConf(source: string): string {
  const flow = (name: string, fname: string, cname: string) => `---
kistype: flow
flow_name: ${name}
source: {name: main, tables: [${source}.orders], rows: change, start: earliest}
flows: [{fname: ${fname}, params: {token: "\${API_TOKEN}"}}]
---
kistype: func
fname: ${fname}
fmode: ${fname.startsWith('Save') ? 'Save' : 'Calculate'}
option: {cname: ${cname}}
`;
  return `kistype: conn
cname: far
type: mysql
addrs: mysql://somebody:${secrets.connector}@127.0.0.1:1/far
key: t
---
kistype: conn
cname: cache
type: redis
addrs: "\${REDIS_URL}"
key: orders
${flow('quotes', 'QuoteUrl', 'totals')}${flow('refuses', 'RefuseRow', 'totals')}${flow('bad_sql', 'BadSql', 'totals')}${flow('far', 'SaveFar', 'far')}${flow('cached', 'SaveCache', 'cache')}`;
}

async function createLogin(admin: Connection, password: string): Promise<string> {
  const name = `kis_${Math.random().toString(36).slice(2, 10)}`;
  await admin.query(`CREATE USER '${name}'@'%' IDENTIFIED BY ${admin.escape(password)}`);
  await admin.query(`GRANT ALL ON *.* TO '${name}'@'%'`);
  onEnd(async () => void (await admin.query(`DROP USER IF EXISTS '${name}'@'%'`)));
  return name;
}

interface Planted {
  readonly project: ShopProject;
  readonly env: Record<string, string>;
  /** Everything that was printed, by the command line. */
  readonly said: Map<string, string>;
}

async function plant(server: SqlAddress): Promise<Planted> {
  const admin = await connectTo(server);
  const [sourceUser, storeUser] = [await createLogin(admin, secrets.source), await createLogin(admin, secrets.store)];
  const port = await findFreePort();
  const project = await createShopProject({ source: server, store: server, start: 'earliest', files: functions });
  await writeFile(join(project.folder, 'conf/more.yml'), moreConf(project.source.name));
  const shop = join(project.folder, 'conf/shop.yml');
  const text = await readFile(shop, 'utf8');
  const metrics = `prometheus_enable: true\nprometheus_listen: true\nprometheus_serve: 127.0.0.1:${port}\nhttp: {listen: "127.0.0.1:0", token: "\${HTTP_TOKEN}"}\n`;
  await writeFile(shop, text.replace('kistype: global\n', `kistype: global\n${metrics}`));
  await project.source.connection.query("INSERT INTO orders VALUES (1, 1, 100, 'a'), (2, 1, 50, 'b')");
  const at = `${server.host}:${server.port}`;
  const env = {
    SOURCE_URL: `mysql://${sourceUser}:${encodeURIComponent(secrets.source)}@${at}`,
    STORE_URL: `mysql://${storeUser}:${encodeURIComponent(secrets.store)}@${at}/${project.store.name}`,
    REDIS_URL: `redis://:${encodeURIComponent(secrets.redis)}@127.0.0.1:1/0`,
    API_TOKEN: secrets.token,
    HTTP_TOKEN: secrets.http,
    METRICS: `http://127.0.0.1:${port}/metrics`,
  };
  return { project, env, said: new Map() };
}

/** Runs a command line and keeps what it said. Its exit code is of no interest here, but it must end. */
async function say({ project, env, said }: Planted, line: string, change: Record<string, string> = {}): Promise<string> {
  const daemon = await startCommand(line.split(' '), { cwd: project.folder, env: { ...env, ...change } });
  await daemon.waitForExit(90_000);
  const text = [...daemon.stdout, ...daemon.stderr].join('\n');
  said.set(`${line} ${said.size}`, text);
  return text;
}

/** All of kisflow's own tables, as texts. */
async function storedTexts({ store }: ShopProject): Promise<[string, string][]> {
  const [tables] = await store.connection.query<RowDataPacket[]>("SHOW TABLES LIKE 'kis\\_%'");
  const texts: [string, string][] = [];
  for (const row of tables) {
    const name = String(Object.values(row)[0]);
    const [rows] = await store.connection.query<RowDataPacket[]>(`SELECT * FROM ${name}`);
    texts.push([name, rows.map((each) => Object.values(each).map(String).join(' ')).join('\n')]);
  }
  return texts;
}

eachServer((_flavour, server) => {
  it('passwords and tokens stand in nothing that is printed, logged, exported, served or stored', async () => {
    const planted = await plant(server);
    const { project, env, said } = planted;
    const wrong = (url: string | undefined) => (url ?? '').replace(/:[^:@/]*@/, `:${encodeURIComponent(secrets.wrong)}@`);
    const daemon = await spawnDaemon(['run', '--log-level', 'trace'], { cwd: project.folder, env });
    await waitFor(
      async () => {
        const [rows] = await project.store.connection.query<RowDataPacket[]>(
          "SELECT flow FROM kis_flow WHERE error_code IS NOT NULL AND flow IN ('quotes', 'bad_sql', 'far', 'cached')",
        );
        const [dead] = await project.store.connection.query<RowDataPacket[]>('SELECT id FROM kis_dead_row');
        return rows.length === 4 && dead.length === 1;
      },
      { deadlineMs: 60_000, what: `four flows with errors and a dead row; the daemon said ${daemon.stderr.slice(-5).join()}` },
    );
    const page = await (await fetch(env['METRICS'] ?? '')).text();
    expect(page).toContain('kisflow');
    said.set('metrics', page);
    const { url } = JSON.parse(await daemon.waitForLine(/health is served/));
    for (const token of [secrets.http, secrets.wrong])
      for (const path of ['flows', 'dead-rows/1', 'tables', `flows?token=${token}`, 'openapi.json']) {
        const answer = await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
        expect(answer.status).toBe(token === secrets.wrong ? 401 : path.includes('?') ? 400 : 200);
        said.set(`${path} ${said.size}`, await answer.text());
      }
    said.set(
      'command line of the process',
      await readFile(`/proc/${daemon.pid}/cmdline`, 'utf8')
        .then((text) => text.replaceAll('\0', ' '))
        .catch(() => ''),
    );
    const [processes] = await project.source.connection.query<RowDataPacket[]>('SHOW FULL PROCESSLIST');
    said.set('process list of the server', JSON.stringify(processes.filter(({ User }) => String(User).startsWith('kis_'))));
    for (const line of ['status', 'status --json', 'inspect', 'inspect orders_copy', 'dead-rows list --json'])
      await say(planted, line);
    const shown = await say(planted, 'dead-rows show 1');
    await say(planted, 'flow show quotes --json');
    daemon.kill();
    await daemon.waitForExit(60_000);
    said.set('run', [...daemon.stdout, ...daemon.stderr].join('\n'));
    for (const flow of ['far', 'cached']) await say(planted, `export ${flow} --to exported`);
    await say(planted, 'check');
    await say(planted, 'check --json --log-level trace', {
      SOURCE_URL: wrong(env['SOURCE_URL']),
      STORE_URL: wrong(env['STORE_URL']),
    });
    const changes = [
      { STORE_URL: wrong(env['STORE_URL']) },
      { STORE_URL: `${env['STORE_URL']}?ssl=verify` },
      { SOURCE_URL: `${env['SOURCE_URL']}/?ssl=verify` },
      { STORE_URL: `mysql://me:${encodeURIComponent(secrets.wrong)}@127.0.0.1:1/x` },
      { SOURCE_URL: `mysql://me:12?${secrets.wrong}@127.0.0.1:1/x` },
    ];
    await Promise.all(changes.map((change) => say(planted, 'run --until-current --log-level trace', change)));

    // what was to happen did happen
    expect(said.get('run')).toMatch(/FUNCTION_FAILED.*:\*\*\*@/);
    expect(shown).toMatch(/refused at mysql:.*:\*\*\*@/);
    expect(said.get('run')).toContain('STORE_STATEMENT');
    expect([...said.values()].join('\n')).toMatch(/STORE_TLS/);
    expect([...said.values()].join('\n')).toMatch(/SOURCE_TLS/);
    expect([...said.values()].join('\n')).toMatch(/STORE_ACCESS_DENIED/);
    expect([...said.values()].join('\n')).toMatch(/SOURCE_ACCESS_DENIED/);

    for (const name of await readdir(join(project.folder, 'exported')))
      said.set(`exported/${name}`, await readFile(join(project.folder, 'exported', name), 'utf8'));
    for (const [table, text] of await storedTexts(project)) said.set(table, text);
    expect(said.size).toBeGreaterThan(20);
    const leaking = [...said].flatMap(([where, text]) => leaks(text).map((secret) => `${secret} in ${where}`));
    expect(leaking).toEqual([]);
    // and the search would find them
    expect(leaks(JSON.stringify(env)).length).toBe(5);
  }, 240_000);
});
