import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { expect, it } from 'vitest';
import { spawnDaemon } from '../support/daemon-process.ts';
import { memoryOf } from '../support/memory.ts';
import { connectTo, eachServer } from '../support/servers.ts';
import { createShopProject, disagreements, randomFrom } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** How long the day takes, in seconds. */
const daySeconds = Number(process.env.KISFLOW_DAY_SECONDS ?? 600);
const seed = Number(process.env.KISFLOW_SEED ?? Date.now() % 1_000_000);
const hours = 24;

/** Rows a second at this hour: few at night, many around ten and around eight in the evening. */
function rateAt(hour: number): number {
  const near = (peak: number, width: number): number => Math.exp(-(((hour - peak) / width) ** 2));
  return Math.round(40 + 1500 * near(10, 3) + 2000 * near(20, 2));
}

/**
 * Changes orders at the day's rate: new ones, and updates of those of the last minutes; at night old ones are deleted, in one large
 * transaction.
 */
async function writeHour(
  connection: Connection,
  options: { readonly hour: number; readonly random: () => number; readonly ids: Ids },
) {
  const { hour, random, ids } = options;
  const until = performance.now() + (daySeconds * 1000) / hours;
  if (hour === 3) await connection.query('DELETE FROM orders WHERE id < ?', [ids.next - 500]);
  if (hour === 23) await connection.query('DELETE FROM orders WHERE id < ?', [ids.next / 2]);
  let dueAt = performance.now();
  while (performance.now() < until) {
    const size = 1 + Math.floor(random() * 20);
    const rows = Array.from({ length: size }, () => [
      (ids.next += 1),
      Math.floor(random() * 500),
      Math.floor(random() * 100_000),
      'x'.repeat(Math.floor(random() * 200)),
    ]);
    await connection.beginTransaction();
    await connection.query('INSERT INTO orders VALUES ?', [rows]);
    await connection.query('UPDATE orders SET cents = cents + 1 WHERE id > ? AND id % 7 = ?', [
      ids.next - 200,
      Math.floor(random() * 7),
    ]);
    await connection.commit();
    dueAt += ((size + 28) * 1000) / rateAt(hour);
    await delay(Math.max(0, dueAt - performance.now()));
  }
}

interface Ids {
  next: number;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

eachServer((flavour, server) => {
  it(`L7 a day's load in ${daySeconds} s: memory does not grow, and stays under 300 MB`, async () => {
    const random = randomFrom(seed);
    const project = await createShopProject({ source: server, store: server });
    const daemon = await spawnDaemon(['run', '--log-level', 'warn'], { cwd: project.folder, env: project.env });
    await waitFor(
      async () => {
        const [rows] = await project.store.connection.query<never[]>("SELECT flow FROM kis_flow WHERE state = 'running'");
        return rows.length === 2;
      },
      { what: 'both flows run' },
    );
    const writer = await connectTo(server, project.source.name);
    const ids: Ids = { next: 0 };
    const byHour: number[][] = [];
    let hour = 0;
    const watch = setInterval(() => (byHour[hour] ??= []).push(memoryOf(daemon.pid).residentMb), 250);
    try {
      for (; hour < hours; hour += 1) await writeHour(writer, { hour, random, ids });
    } finally {
      clearInterval(watch);
    }
    await waitFor(async () => (await disagreements(project)).length === 0, {
      deadlineMs: 120_000,
      pollMs: 1000,
      what: `agreement, seed ${seed}`,
    });
    const peak = memoryOf(daemon.pid).peakMb;
    const medians = byHour.map(median);
    console.log(
      `${flavour}, seed ${seed}, ${ids.next} orders; MB by hour: ${medians.map((mb) => mb.toFixed(0)).join(' ')}; peak ${peak.toFixed(0)}`,
    );
    // the evening holds no more than the morning did, though its load is higher
    const morning = Math.max(...medians.slice(8, 13));
    const night = Math.max(...medians.slice(22));
    expect(night).toBeLessThan(morning + 25);
    expect(peak).toBeLessThan(300);
    daemon.kill('SIGTERM');
    expect(await daemon.waitForExit(), daemon.stderr.join('\n')).toEqual({ code: 0, signal: null });
  });
});
