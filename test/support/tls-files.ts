import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Connection } from 'mysql2/promise';
import type { SqlFlavour, SqlServer } from '../../src/embedded/server.ts';
import { onEnd } from './cleanup.ts';
import { createFolder } from './daemon-process.ts';
import { portOf } from './half-open-proxy.ts';
import { startPrivateServer } from './servers.ts';

/** A file of test/support/tls, which make.sh there makes. */
export function tlsFile(name: string): string {
  return fileURLToPath(new URL(`tls/${name}`, import.meta.url));
}

/** A server with a certificate of our own CA, for `localhost` only. */
export interface TlsServer {
  readonly server: SqlServer;
  /** Lets it show another certificate, from the next connection on. */
  show(connection: Connection, certificate: 'server' | 'by-address'): Promise<void>;
}

export async function startTlsServer(flavour: SqlFlavour): Promise<TlsServer> {
  const folder = await createFolder();
  const use = async (certificate: string): Promise<void> => {
    for (const kind of ['crt', 'key']) await copyFile(tlsFile(`${certificate}.${kind}`), join(folder, `shown.${kind}`));
  };
  await use('server');
  const server = await startPrivateServer(flavour, {
    ssl_ca: tlsFile('ca.crt'),
    ssl_cert: join(folder, 'shown.crt'),
    ssl_key: join(folder, 'shown.key'),
  });
  return {
    server,
    async show(connection, certificate) {
      await use(certificate);
      await connection.query(flavour === 'mysql' ? 'ALTER INSTANCE RELOAD TLS' : 'FLUSH SSL');
    },
  };
}

/** Somebody who hands on a real server's greeting and then shows a certificate of his own; gives his port. */
export async function startImpostor(
  target: { readonly host: string; readonly port: number },
  certificate: 'expired',
): Promise<number> {
  const [key, cert] = [readFileSync(tlsFile(`${certificate}.key`)), readFileSync(tlsFile(`${certificate}.crt`))];
  const listener = createServer((client) => {
    const server = connect(target.port, target.host);
    server.once('data', (greeting) => client.write(greeting));
    const shake = (): void => {
      // the client's first packet asks for TLS: header (4) and 32 bytes; what follows is the handshake
      if (client.read(36) === null) client.once('readable', shake);
      else new TLSSocket(client, { isServer: true, key, cert }).on('error', () => client.destroy());
    };
    client.once('readable', shake);
    client.on('error', () => server.destroy());
    client.on('close', () => server.destroy());
    server.on('error', () => client.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onEnd(async () => void listener.close());
  return portOf(listener);
}

const CLIENT_SSL = 0x0800;

/** Somebody in the middle who takes "I can do TLS" out of the server's greeting, and notes what the client then says. */
export async function startStrippingProxy(target: { readonly host: string; readonly port: number }) {
  let said = 0;
  const listener = createServer((client) => {
    const server = connect(target.port, target.host);
    let isGreeting = true;
    server.on('data', (bytes) => {
      client.write(isGreeting ? withoutTls(bytes) : bytes);
      isGreeting = false;
    });
    client.on('data', (bytes) => {
      said += bytes.length;
      server.write(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onEnd(async () => void listener.close());
  return { port: portOf(listener), bytesSaid: () => said };
}

/** Header (4), protocol (1), version and 0, connection (4), scramble (8), 0, the lower capabilities (2). */
function withoutTls(greeting: Buffer): Buffer {
  const changed = Buffer.from(greeting);
  const at = changed.indexOf(0, 5) + 1 + 4 + 8 + 1;
  changed.writeUInt16LE(changed.readUInt16LE(at) & ~CLIENT_SSL, at);
  return changed;
}
