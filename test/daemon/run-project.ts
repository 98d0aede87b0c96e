import { expect } from 'vitest';
import type { RowDataPacket } from 'mysql2/promise';
import { startCommand } from '../support/daemon-process.ts';
import type { ShopProject } from '../support/shop-project.ts';
import { waitFor } from '../support/wait-for.ts';

/** Runs the project until it is current, and expects this exit code; gives all that it said. */
export async function runUntilCurrent(project: Pick<ShopProject, 'folder' | 'env'>, code = 0): Promise<string> {
  const said = await runLine(project, ['run', '--until-current', '--log-level', 'warn'], code);
  return said;
}

/** Runs one command line in the project, and expects this exit code; gives all that it said. */
export async function runLine(project: Pick<ShopProject, 'folder' | 'env'>, args: readonly string[], code = 0): Promise<string> {
  const daemon = await startCommand(args, { cwd: project.folder, env: project.env });
  const exit = await daemon.waitForExit(60_000);
  const said = [...daemon.stdout, ...daemon.stderr].join('\n');
  expect(exit.code, said).toBe(code);
  return said;
}

/** The rows of a SELECT on the project's store. */
export async function storeRows(project: ShopProject, sql: string, params: readonly unknown[] = []): Promise<RowDataPacket[]> {
  const [rows] = await project.store.connection.query<RowDataPacket[]>(sql, [...params]);
  return rows;
}

/** Resumes both flows of the shop; whether they fail again at once is the caller's concern. */
export async function resumeFlows({ folder, env }: ShopProject, flows: readonly string[] = ['mirror', 'totals']): Promise<void> {
  const commands = flows.map((flow) => startCommand(['resume', flow], { cwd: folder, env }));
  for (const command of await Promise.all(commands)) await command.waitForExit(60_000);
}

/** Waits until these flows have failed with a code; gives what they have computed, and where they stand. */
export async function refused(
  project: ShopProject,
  code: string,
  flows: readonly string[] = ['mirror', 'totals'],
): Promise<unknown> {
  await waitFor(
    async () => {
      const failed = await storeRows(project, "SELECT flow, error_code FROM kis_flow WHERE state = 'failed'");
      return flows.every((flow) => failed.some((row) => row['flow'] === flow && row['error_code'] === code));
    },
    { deadlineMs: 60_000, what: `${code} of ${flows.join(', ')}` },
  );
  return computed(project);
}

/** What the flows of the shop have computed, and where they stand. */
export async function computed(project: ShopProject): Promise<readonly unknown[]> {
  return [
    await storeRows(project, 'SELECT * FROM orders_copy ORDER BY id'),
    await storeRows(project, 'SELECT * FROM totals ORDER BY customer'),
    await storeRows(project, 'SELECT flow, position, rows_total FROM kis_checkpoint ORDER BY flow'),
  ];
}
