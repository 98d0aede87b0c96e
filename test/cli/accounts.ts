import { randomBytes } from 'node:crypto';
import type { SqlAddress } from '../../src/embedded/server.ts';
import { onEnd } from '../support/cleanup.ts';
import { connectTo } from '../support/servers.ts';

export interface Account {
  readonly name: string;
  /** The server's url with this account. */
  readonly url: string;
}

/** An account with these rights (`SELECT ON *.*`), and no others; gone at the test's end. */
export async function createAccount(server: SqlAddress, ...rights: readonly string[]): Promise<Account> {
  const name = `kis_${randomBytes(4).toString('hex')}`;
  const connection = await connectTo(server);
  await connection.query(`CREATE USER '${name}'@'%' IDENTIFIED BY 'secret'`);
  onEnd(async () => {
    const again = await connectTo(server);
    await again.query(`DROP USER IF EXISTS '${name}'@'%'`);
    again.destroy();
  });
  for (const right of rights) await connection.query(`GRANT ${right} TO '${name}'@'%'`);
  return { name, url: `mysql://${name}:secret@${server.host}:${server.port}` };
}
