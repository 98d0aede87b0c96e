import { expect } from 'vitest';
import type { RowDataPacket } from 'mysql2/promise';
import { spawnDaemon } from '../support/daemon-process.ts';
import type { ShopProject } from '../support/shop-project.ts';

/** Runs the project until it is current, and expects this exit code; gives all that it said. */
export async function runUntilCurrent(project: Pick<ShopProject, 'folder' | 'env'>, code = 0): Promise<string> {
  const said = await runLine(project, ['run', '--until-current', '--log-level', 'warn'], code);
  return said;
}

/** Runs one command line in the project, and expects this exit code; gives all that it said. */
export async function runLine(project: Pick<ShopProject, 'folder' | 'env'>, args: readonly string[], code = 0): Promise<string> {
  const daemon = await spawnDaemon(args, { cwd: project.folder, env: project.env });
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
