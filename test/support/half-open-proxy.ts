import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onEnd } from './cleanup.ts';

/**
 * What the proxy does with bytes:
 * forward    passes them on, both ways;
 * half-open  swallows them: both ends believe that they are connected, and nothing arrives (a dead NAT entry);
 * stall      stops reading: the sender's buffers fill up, nothing is lost, and it goes on with `forward`.
 */
export type ProxyMode = 'forward' | 'half-open' | 'stall';

export interface HalfOpenProxy {
  readonly host: string;
  readonly port: number;
  /** How many clients have connected so far. */
  readonly connectionCount: number;
  /** Bytes forwarded to the server and to the client. */
  readonly forwarded: { readonly toServer: number; readonly toClient: number };
  setMode(mode: ProxyMode): void;
  /** Resets every open connection; new ones are taken. */
  cut(): void;
  /** Refuses new connections, or takes them again. */
  refuse(isRefusing: boolean): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** A TCP proxy on 127.0.0.1 in front of a server, whose link a test can spoil. Closed at the test's end. */
export async function startHalfOpenProxy(target: { readonly host: string; readonly port: number }): Promise<HalfOpenProxy> {
  const pairs = new Set<Pair>();
  const forwarded = { toServer: 0, toClient: 0 };
  let mode: ProxyMode = 'forward';
  let isRefusing = false;
  let connectionCount = 0;

  const listener = createServer((client) => {
    if (isRefusing) {
      client.resetAndDestroy();
      return;
    }
    connectionCount += 1;
    const server = connect({ host: target.host, port: target.port });
    const pair = { client, server };
    pairs.add(pair);
    pipe(client, server, (bytes) => (forwarded.toServer += bytes));
    pipe(server, client, (bytes) => (forwarded.toClient += bytes));
    for (const socket of [client, server]) {
      if (mode === 'stall') socket.pause();
      socket.once('close', () => pairs.delete(pair));
    }
  });

  function pipe(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (mode === 'half-open') return;
      count(chunk.length);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (mode !== 'stall') from.resume();
    });
    // In a half-open link an end's farewell is lost like everything else.
    from.on('end', () => mode === 'forward' && to.end());
    from.on('error', () => mode === 'forward' && to.resetAndDestroy());
    from.on('close', () => mode === 'forward' && to.destroy());
  }

  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    pairs.clear();
  };
  const proxy: HalfOpenProxy = {
    host: '127.0.0.1',
    port: portOf(listener),
    get connectionCount() {
      return connectionCount;
    },
    forwarded,
    setMode(next) {
      mode = next;
      for (const socket of [...pairs].flatMap(({ client, server }) => [client, server])) {
        if (next === 'stall') socket.pause();
        else socket.resume();
      }
    },
    cut,
    refuse: (next) => void (isRefusing = next),
    async close() {
      cut();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
  onEnd(() => proxy.close());
  return proxy;
}

/** The port on which a TCP server listens. */
export function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('listens on no TCP port');
  return address.port;
}
