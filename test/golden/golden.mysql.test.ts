import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { SqlAddress, SqlFlavour } from '../../src/embedded/server.ts';
import { CodedError } from '../../src/lib/error.ts';
import type { TransactionPart } from '../../src/row/change.ts';
import { flatten, inSchema, never, openSource, Reading } from '../source/reading.ts';
import { connectTo, createDatabase, eachServer, startPrivateServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { formatChange, parseGolden, type Golden } from './golden.ts';

/** UPDATE_GOLDEN=1 writes what came: to be read line by line before it is kept. */
const isUpdating = process.env['UPDATE_GOLDEN'] === '1';
const folder = join(import.meta.dirname, 'cases');
const END = 'the_end';

eachServer((flavour, shared) => {
  describe('L3, L8: SQL in, changes out:', () => {
    for (const file of readdirSync(folder)) {
      const golden = parseGolden(readFileSync(join(folder, file), 'utf8'));
      if (!golden.servers.includes(flavour)) continue;
      it(`${file}: ${golden.title}`, async () => {
        const settings = golden.settings(flavour);
        const isPrivate = Object.keys(settings).length > 0;
        const server = isPrivate ? await startPrivateServer(flavour, settings) : shared;
        const changes = await changesOf(golden, flavour, server);
        if (!isUpdating) return expect(changes).toBe(golden.expected(flavour));
        const now = parseGolden(readFileSync(join(folder, file), 'utf8'));
        writeFileSync(join(folder, file), now.rewritten(flavour, changes));
      });
    }
  });
});

async function changesOf(golden: Golden, flavour: SqlFlavour, server: SqlAddress): Promise<string> {
  const { name, connection } = await createDatabase(server, 'golden');
  await connection.query("SET time_zone = '+00:00'");
  await connection.query(`CREATE TABLE ${END} (id INT)`);
  const source = openSource(server.url);
  const from = await source.resolve({ kind: 'latest' }, never);
  const others = new Map<string, Connection>([['', connection]]);
  for (const step of golden.steps(flavour)) {
    const said = others.get(step.connection) ?? (await connectTo(server, name));
    others.set(step.connection, said);
    for (const statement of statementsOf(step.sql)) await say(said, statement);
  }
  const last = await connectTo(server, name);
  await last.query(`INSERT INTO ${END} VALUES (1)`);
  const reading = new Reading(source, { from, wants: inSchema(name) });
  await waitFor(() => reading.error !== undefined || reading.changes.some(({ table }) => table === END), { deadlineMs: 30_000 });
  await reading.stop();
  const transactions = wholeTransactions(reading.parts).map((parts) => formatTransaction(parts, golden.showsGtid));
  if (reading.error instanceof CodedError) transactions.push(`error ${reading.error.code}`);
  else if (reading.error !== undefined) throw new Error('no code', { cause: reading.error });
  return transactions
    .filter((text) => text !== '')
    .join('\n\n')
    .replaceAll(name, 'golden');
}

/** A file's statements: each ends with a semicolon at the end of a line. A routine's are indented. */
function statementsOf(sql: string): string[] {
  return sql.split(/;$\n?(?!\s)/m).filter((statement) => statement.trim() !== '');
}

/** `wait for SELECT …` is said until it gives 1. */
async function say(connection: Connection, statement: string): Promise<void> {
  if (!statement.startsWith('wait for ')) return void (await connection.query(statement));
  await waitFor(async () => {
    const [rows] = await connection.query({ sql: statement.slice(9), rowsAsArray: true });
    return JSON.stringify(rows) === '[[1]]';
  });
}

function wholeTransactions(parts: readonly TransactionPart[]): TransactionPart[][] {
  const whole: TransactionPart[][] = [[]];
  for (const part of parts) {
    whole.at(-1)?.push(part);
    if (part.isFinal) whole.push([]);
  }
  return whole;
}

function formatTransaction(parts: readonly TransactionPart[], showsGtid: boolean): string {
  const lines = parts
    .flatMap(({ groups }) => groups.filter(({ table }) => table.name !== END))
    .flatMap((group) => flatten([group]).map((change) => formatChange(change, group.isPartial ?? false)));
  const [gtid] = parts.map((part) => part.gtid);
  if (showsGtid && lines.length > 0) lines.unshift(`-- ${maskGtid(gtid ?? '')}`);
  return lines.join('\n');
}

/** Without what is another in every run: the server's id and the number. */
function maskGtid(gtid: string): string {
  if (gtid === '') return 'anonymous';
  return gtid.replace(/^[0-9a-f-]{36}/, 'server').replace(/\d+$/, 'n');
}
