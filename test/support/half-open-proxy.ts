import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { deferred, type Deferred } from '../../src/lib/abort.ts';
import { onEnd } from './cleanup.ts';

/**
 * What the proxy does with bytes:
 * forward    passes them on, both ways;
 * half-open  swallows them: both ends believe that they are connected, and nothing arrives (a dead NAT entry);
 * stall      stops reading: the sender's buffers fill up, nothing is lost, and it goes on with `forward`.
 */
export type ProxyMode = 'forward' | 'half-open' | 'stall';

/**
 * What happens once at one byte on its way to the client:
 * cut        those before it arrive, and that connection ends;
 * half-open  those before it arrive, and nothing after it, on any connection (`setMode` ends it);
 * flip       one of its bits is turned over.
 */
export type Spoiling = 'cut' | 'half-open' | 'flip';

/** The index of the byte in a chunk that is on its way to the client; -1: it is not in this one. */
export type FindByte = (chunk: Buffer) => number;

/** The byte behind so many more. */
export function afterBytes(count: number): FindByte {
  let left = count;
  return (chunk) => {
    if (left < chunk.length) return left;
    left -= chunk.length;
    return -1;
  };
}

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
  /** Spoils one byte, the first that is found; resolves when that is done. */
  spoil(how: Spoiling, find: FindByte): Promise<void>;
  /** New connections go to another server. */
  setTarget(target: ProxyTarget): void;
  /** So many bytes pass in a second, for each connection and way; undefined: as fast as they can. */
  setRate(bytesPerSecond: number | undefined): void;
  close(): Promise<void>;
}

interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** A TCP proxy on 127.0.0.1 in front of a server, whose link a test can spoil. Closed at the test's end. */
export async function startHalfOpenProxy(firstTarget: ProxyTarget): Promise<HalfOpenProxy> {
  const pairs = new Set<Pair>();
  const forwarded = { toServer: 0, toClient: 0 };
  let target = firstTarget;
  let mode: ProxyMode = 'forward';
  let rate: number | undefined;
  let spoiling: { readonly how: Spoiling; readonly find: FindByte; readonly done: Deferred<void> } | undefined;
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
    pipe(client, server, (chunk) => (forwarded.toServer += chunk.length));
    pipe(server, client, (chunk) => {
      forwarded.toClient += chunk.length;
      return spoil(chunk, pair);
    });
    for (const socket of [client, server]) {
      if (mode === 'stall') socket.pause();
      socket.once('close', () => pairs.delete(pair));
    }
  });

  /** False: the chunk is dealt with. */
  function spoil(chunk: Buffer, { client, server }: Pair): boolean {
    const at = spoiling?.find(chunk) ?? -1;
    if (spoiling === undefined || at < 0) return true;
    const { how, done } = spoiling;
    spoiling = undefined;
    done.resolve();
    if (how === 'flip') {
      chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      return true;
    }
    if (how === 'half-open') {
      client.write(chunk.subarray(0, at));
      mode = 'half-open';
    } else {
      client.end(chunk.subarray(0, at));
      server.destroy();
    }
    return false;
  }

  /** `take` looks at each chunk first, and may deal with it by itself: false. */
  function pipe(from: Socket, to: Socket, take: (chunk: Buffer) => unknown): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (mode === 'half-open' || take(chunk) === false) return;
      if (!to.write(chunk)) from.pause();
      if (rate === undefined) return;
      from.pause();
      setTimeout(() => from.resume(), (chunk.length * 1000) / rate);
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
    spoil(how, find) {
      spoiling = { how, find, done: deferred() };
      return spoiling.done.promise;
    },
    setTarget: (next) => void (target = next),
    setRate: (next) => void (rate = next),
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
