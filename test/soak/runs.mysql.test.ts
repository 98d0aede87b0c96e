import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { expect, it } from 'vitest';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { killAllAndCompare } from '../daemon/kill-all.ts';
import { eachServer } from '../support/servers.ts';
import { randomFrom, type ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

const kills = Number(process.env.KISFLOW_KILLS ?? 150);

/** What is asked for: flows that increment take no other. */
const choices = [
  ['mirror', 'snapshot'],
  ['mirror', 'replay'],
  ['mirror', 'rebuild'],
  ['mirror', 'verify'],
  ['totals', 'rebuild'],
  ['totals', 'verify'],
] as const;

/** An operator who asks for runs of all kinds, pauses, resumes and cancels them, through every kill. */
class Operator {
  readonly ended = new Map<string, number>();
  readonly #project: ShopProject;
  readonly #store: SqlAddress;
  readonly #random: () => number;
  readonly #over = new AbortController();
  readonly #places: string[];
  readonly #working: Promise<void>;

  constructor(options: { project: ShopProject; store: SqlAddress; random: () => number; places: string[] }) {
    this.#project = options.project;
    this.#store = options.store;
    this.#random = options.random;
    this.#places = options.places;
    this.#working = this.#work();
    this.#working.catch(() => {}); // `stop` says it
  }

  /** Lets what is open end, and looks at what became of all. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#working;
    await this.#asked(async (connection) => {
      await waitFor(
        async () => {
          await connection.query("UPDATE kis_run SET wish = 'resume' WHERE state = 'paused' AND wish IS NULL");
          const [open] = await connection.query<RowDataPacket[]>('SELECT id FROM kis_run WHERE open_kind IS NOT NULL');
          return open.length === 0;
        },
        { deadlineMs: 180_000, pollMs: 300, what: 'the end of all runs' },
      );
      const [runs] = await connection.query<RowDataPacket[]>(
        `SELECT r.flow, r.kind, r.state, r.error_code, r.error_text, v.missing, v.different, v.extra, r.options FROM kis_run r LEFT JOIN kis_verify v ON v.run = r.id`,
      );
      expect(runs.filter(({ state }) => state === 'failed')).toEqual([]);
      // a customer whose orders are all gone has a row with 0 in the one and none in the other
      const found = runs.filter(
        (run) => Number(run['missing']) + Number(run['different']) > 0 || (run['flow'] === 'mirror' && Number(run['extra']) > 0),
      );
      expect(found).toEqual([]);
      for (const { kind, state } of runs) this.ended.set(`${kind} ${state}`, (this.ended.get(`${kind} ${state}`) ?? 0) + 1);
    });
  }

  async #work(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#asked((connection) => this.#act(connection)).catch((error: unknown) => {
        if (!isExpected(error)) throw error;
      });
      await delay(100 + this.#random() * 900);
    }
  }

  async #asked(work: (connection: Connection) => Promise<void>): Promise<void> {
    const { host, port, user, password } = this.#store;
    const connection = await createConnection({ host, port, user, password, database: this.#project.store.name });
    connection.on('error', () => {}); // the statement at hand has it
    try {
      await work(connection);
    } finally {
      connection.destroy();
    }
  }

  async #act(connection: Connection): Promise<void> {
    const [[place]] = await connection.query<RowDataPacket[]>("SELECT position FROM kis_checkpoint WHERE flow = 'mirror'");
    const position = place === undefined ? '' : String(place['position']);
    // a place within a transaction is none to begin at
    if (position !== '' && !/rows=/.test(position) && this.#places.at(-1) !== position) this.#places.push(position);
    if (this.#random() < 0.4) {
      const wish = ['pause', 'resume', 'resume', 'cancel'][Math.floor(this.#random() * 4)];
      await connection.query('UPDATE kis_run SET wish = ? WHERE open_kind IS NOT NULL AND is_start = 0 ORDER BY RAND() LIMIT 1', [
        wish,
      ]);
      return;
    }
    const [flow, kind] = choices[Math.floor(this.#random() * choices.length)] ?? choices[0];
    const from = this.#places[Math.floor(this.#random() * (this.#places.length - 1))];
    const to = this.#places.at(-1);
    if (kind === 'replay' && (from === undefined || from === to)) return;
    const options = kind === 'replay' ? { from, to } : kind === 'verify' ? { repair: this.#random() < 0.5 } : {};
    await connection.query(
      "INSERT INTO kis_run (flow, kind, state, options, created_at, updated_at) VALUES (?, ?, 'waiting', ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
      [flow, kind, JSON.stringify(options)],
    );
  }
}

/** One of that kind is open, its table is not there yet, or the store is down. */
function isExpected(error: unknown): boolean {
  const code = error instanceof Error ? String(Reflect.get(error, 'code')) : '';
  return (
    /^(ER_DUP_ENTRY|ER_NO_SUCH_TABLE|ECONN|EPIPE|PROTOCOL_|ER_SERVER_SHUTDOWN)/.test(code) ||
    (error instanceof Error && Reflect.get(error, 'fatal') === true)
  );
}

eachServer((flavour) => {
  it(`L1 snapshots, replays, rebuilds and verifies of all kinds, with ${kills} kills of daemon, source and store: nothing is lost or doubled`, async () => {
    const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
    console.log(`${flavour}: seed ${seed}`);
    const random = randomFrom(seed + 1);
    const places: string[] = [];
    const ended = new Map<string, number>();
    await killAllAndCompare(flavour, {
      kills,
      seed,
      compareEach: 15,
      pauseMs: 20,
      startBeside: (project, store) => {
        const operator = new Operator({ project, store, random, places });
        return {
          async stop() {
            await operator.stop();
            for (const [what, count] of operator.ended) ended.set(what, count);
          },
        };
      },
      onProgress: (text) => console.log(`${text}; runs: ${JSON.stringify(Object.fromEntries(ended))}`),
    });
    for (const kind of ['snapshot', 'replay', 'rebuild', 'verify']) expect(ended.get(`${kind} done`), kind).toBeGreaterThan(0);
  });
});
