/**
 * What a private server is to the demo and the tests that use it: an address, and a life that they command.
 * The implementations are sql-server.ts and redis-server.ts (a process of this machine), docker-server.ts, and
 * a shared server given by its URL in the environment, whose life is not ours.
 */
export type SqlFlavour = 'mysql' | 'mariadb';
export type ServerKind = SqlFlavour | 'redis';

/** A server's settings by the names of its own manual; null removes a default of ours. */
export type ServerSettings = Readonly<Record<string, string | number | null>>;

/** Where a server answers, and as whom: plain data that can be handed to another process. */
export interface ServerAddress {
  readonly kind: ServerKind;
  /** As the server says it: `9.7.0`, `10.11.19-MariaDB-0+deb12u1`. */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** `mysql://user:password@host:port` or `redis://:password@host:port`. */
  readonly url: string;
}

export interface SqlAddress extends ServerAddress {
  readonly kind: SqlFlavour;
  readonly flavour: SqlFlavour;
}

/** How a server is started; every part may be left out. */
export interface StartOptions {
  readonly settings?: ServerSettings;
  /** Kept when the server stops, and used again when it holds a database; without it a temporary one is made. */
  readonly dataDir?: string;
  /** Without it a free one is taken. */
  readonly port?: number;
  /** Aborting it before the server answers gives up the start; afterwards it kills the server. */
  readonly signal?: AbortSignal;
  /** A server of the environment (KISFLOW_TEST_..._URL) will do, unless settings are asked for. */
  readonly shared?: boolean;
}

/** A server's life. A server that is not ours (a URL of the environment) refuses all of it but `stop`. */
export interface ServerLife {
  /** The server's own process; undefined where it is not a process of this machine. */
  readonly pid: number | undefined;
  /** Undefined where the data is not on this machine. */
  readonly dataDir: string | undefined;
  /** Ends it in order, and removes its data unless the caller named the folder. May be called twice. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. The data stays, so that `restart` recovers from it. */
  kill(): Promise<void>;
  /** Stops it in order if it runs, and starts it with the same port, data and settings, changed by `changes`. */
  restart(changes?: ServerSettings): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pauseProcess(): Promise<void>;
  /** SIGCONT. */
  resumeProcess(): Promise<void>;
}

export interface SqlServer extends SqlAddress, ServerLife {}

export interface RedisServer extends ServerAddress, ServerLife {
  readonly kind: 'redis';
}
