import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { createDatabase, eachServer, FLAVOURS, startPrivateServer } from '../support/servers.ts';
import { charsetCases } from './charsets.ts';
import type { ColumnCase } from './column-case.ts';
import { numberCases } from './numbers.ts';
import { otherCases } from './others.ts';
import { jsonCases, textCases } from './texts.ts';
import { timeCases } from './times.ts';
import { typesPage } from './types-page.ts';
import { compareEverywhere, type Received } from './value-laws.ts';

const families: Readonly<Record<string, readonly ColumnCase[]>> = {
  Numbers: numberCases,
  'Dates and times': timeCases,
  'Texts, bytes and lists': textCases,
  JSON: jsonCases,
  'Geometry and types of one server': otherCases,
};

const received = new Map<string, Received[]>();

eachServer((flavour, server) => {
  const { mysql, mariadb } = inject('servers');
  const mirrors = [server, flavour === 'mysql' ? mariadb : mysql].filter((one) => one !== undefined);

  for (const [family, cases] of Object.entries(families)) {
    it(`L8: ${family}: a value is the same from the binlog and from a SELECT, and after being mirrored`, async () => {
      const found = await compareEverywhere({ server, cases, mirrors });
      expect(found.wrong).toEqual([]);
      received.set(family, [...(received.get(family) ?? []), ...found.received]);
    });
  }

  it('L8: texts of all character sets are the same everywhere, and so are bytes that are no characters of theirs', async () => {
    const { connection } = await createDatabase(server);
    const found = await compareEverywhere({ server, cases: await charsetCases(connection), mirrors });
    expect(found.wrong).toEqual([]);
    const bytes = found.received.filter(({ values }) => values.some((value) => value instanceof Uint8Array));
    expect(bytes.length).toBeGreaterThan(20);
  });

  it('L8: the same without the columns’ description in the binlog, in tables of MariaDB’s old times, and with the log compressed', async () => {
    const own = await startPrivateServer(flavour, {
      binlog_row_metadata: 'MINIMAL',
      ...(flavour === 'mysql'
        ? { binlog_transaction_compression: 'ON' }
        : { mysql56_temporal_format: 'OFF', log_bin_compress: 'ON', log_bin_compress_min_len: 10 }),
    });
    for (const cases of Object.values(families)) {
      expect((await compareEverywhere({ server: own, cases, mirrors: [] })).wrong).toEqual([]);
    }
  }, 180_000);
});

it('docs/mysql-types.md says what functions received (UPDATE_DOCS=1 writes it)', () => {
  const servers = inject('servers');
  const file = join(import.meta.dirname, '../../docs/mysql-types.md');
  const isWhole = FLAVOURS.every((flavour) => servers[flavour] !== undefined) && received.size === Object.keys(families).length;
  // One server alone has not all types.
  if (!isWhole) return;
  const page = typesPage(received);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, page);
  expect(unaligned(readFileSync(file, 'utf8'))).toBe(unaligned(page));
});

/** The formatter aligns tables. */
function unaligned(page: string): string {
  return page
    .split('\n')
    .map((line) => (line.startsWith('|') ? line.replaceAll(/ +/g, ' ').replaceAll(/[ -]*---[ -]*/g, '---') : line))
    .join('\n');
}
