import type { Connection } from 'mysql2/promise';
import type { SqlAddress } from '../../../src/embedded/server.ts';
import { connectTo } from '../servers.ts';
import { killDumps } from './source-server.ts';

/** The account that kisflow reads with, and what happens to it. Connections that are open keep the rights they had: they are ended too. */
export interface SourceAccountContext {
  readonly source: SqlAddress;
}

const account = "'reader'@'%'";
const password = 'right-one';

/** Makes the account; gives the source's url with it. */
export async function createReader({ source }: SourceAccountContext): Promise<string> {
  const connection = await connectTo(source);
  await connection.query(`CREATE USER ${account} IDENTIFIED BY '${password}'`);
  await grant(connection);
  return `mysql://reader:${password}@${source.host}:${source.port}`;
}

async function grant(connection: Connection): Promise<void> {
  await connection.query(`GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${account}`);
}

/** Each fault, and what mends it. */
export const accountFaults: Readonly<
  Record<string, { readonly code: string; readonly harm: string; readonly mend: readonly string[] }>
> = {
  'password changed': {
    code: 'SOURCE_ACCESS_DENIED',
    harm: `ALTER USER ${account} IDENTIFIED BY 'another-one'`,
    mend: [`ALTER USER ${account} IDENTIFIED BY '${password}'`],
  },
  'right revoked': {
    code: 'SOURCE_GRANT_MISSING',
    harm: `REVOKE REPLICATION SLAVE ON *.* FROM ${account}`,
    mend: [`GRANT REPLICATION SLAVE ON *.* TO ${account}`],
  },
  'user dropped': {
    code: 'SOURCE_ACCESS_DENIED',
    harm: `DROP USER ${account}`,
    mend: [
      `CREATE USER ${account} IDENTIFIED BY '${password}'`,
      `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${account}`,
    ],
  },
  'password expired': {
    code: 'SOURCE_ACCESS_DENIED',
    harm: `ALTER USER ${account} PASSWORD EXPIRE`,
    mend: [`ALTER USER ${account} IDENTIFIED BY '${password}'`],
  },
  'status revoked': {
    code: 'SOURCE_GRANT_MISSING',
    harm: `REVOKE REPLICATION CLIENT ON *.* FROM ${account}`,
    mend: [`GRANT REPLICATION CLIENT ON *.* TO ${account}`],
  },
};

export async function runAll({ source }: SourceAccountContext, statements: readonly string[]): Promise<void> {
  const connection = await connectTo(source);
  for (const statement of statements) await connection.query(statement);
}

/** Ends the connections that still have the rights they had. */
export async function endReaders({ source }: SourceAccountContext): Promise<void> {
  await killDumps(await connectTo(source));
}
