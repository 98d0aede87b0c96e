import type { RowDataPacket } from 'mysql2/promise';
import type { SqlAddress } from '../../../src/embedded/server.ts';
import { connectTo } from '../servers.ts';
import { disagreements, writeOrders, type ShopProject } from '../shop-project.ts';
import { waitFor } from '../wait-for.ts';

/** A project whose daemon runs while its source suffers. */
export interface FaultRun {
  readonly project: ShopProject;
  /** The server that is the source now. */
  readonly source: () => SqlAddress;
  readonly random: () => number;
  readonly seed: number;
}

/** Ids of one writer: another one, or the same behind a lost connection, never gives an id again. */
const IDS_EACH = 200_000;
let writers = 0;

/** Changes orders, over as many connections as it takes, until the signal aborts. */
export async function keepWriting(run: FaultRun, signal: AbortSignal): Promise<void> {
  const { project, random } = run;
  while (!signal.aborted) {
    const first = (writers += 1) * IDS_EACH;
    try {
      const connection = await connectTo(run.source(), project.source.name);
      await writeOrders(connection, { signal, random, pauseMs: 25, first });
      connection.destroy();
    } catch (error) {
      // The source is what fails here: whether its last transaction was committed, it says itself in the end.
      if (!isPassing(error)) throw error;
      await waitFor(async () => signal.aborted || (await connectTo(run.source(), project.source.name)), {
        deadlineMs: 60_000,
        what: 'the source, to write again',
      });
    }
  }
}

/** The connection is lost, or a table was altered under the transaction. */
function isPassing(error: unknown): boolean {
  const passing =
    /^(ECONN|EPIPE|PROTOCOL_|ETIMEDOUT|ER_SERVER_SHUTDOWN|ER_TABLE_DEF_CHANGED|ER_LOCK_|ER_CHECKREAD|ER_NEED_REPREPARE)/;
  if (!(error instanceof Error)) return false;
  return /in closed state/.test(error.message) || ('code' in error && passing.test(String(error.code)));
}

/** Waits until the writer that was begun last has written something. */
async function untilWritten(run: FaultRun): Promise<void> {
  const connection = await connectTo(run.source(), run.project.source.name);
  const first = writers * IDS_EACH;
  await waitFor(
    async () => {
      const sql = 'SELECT id FROM orders WHERE id BETWEEN ? AND ? LIMIT 1';
      const [rows] = await connection.query<RowDataPacket[]>(sql, [first, first + IDS_EACH]);
      return rows.length > 0;
    },
    { deadlineMs: 30_000, what: 'the first order' },
  );
  connection.destroy();
}

/** What is different between source and store now. */
export async function differences({ project, source }: FaultRun): Promise<unknown[]> {
  const connection = await connectTo(source(), project.source.name);
  const store = await connectTo(project.storeServer, project.store.name);
  try {
    return await disagreements({
      ...project,
      source: { ...project.source, connection },
      store: { ...project.store, connection: store },
    });
  } finally {
    connection.destroy();
    store.destroy();
  }
}

/**
 * Lets a fault happen while orders are written, then measures how long it takes from its end until source and store agree to the row, and
 * prints it: `recovery: <fault> <flavour> <seconds>`.
 */
export async function recoverFrom(run: FaultRun, fault: string, happen: () => Promise<unknown>): Promise<number> {
  const stop = new AbortController();
  const writing = keepWriting(run, stop.signal);
  try {
    await Promise.race([untilWritten(run).then(happen), writing]);
  } finally {
    stop.abort();
  }
  const since = performance.now();
  await writing;
  await waitFor(async () => (await differences(run)).length === 0, {
    deadlineMs: 40_000,
    pollMs: 100,
    what: `agreement after ${fault}, seed ${run.seed}`,
  });
  const seconds = (performance.now() - since) / 1000;
  process.stdout.write(`recovery: ${fault} ${run.source().flavour} ${seconds.toFixed(1)}\n`);
  return seconds;
}
