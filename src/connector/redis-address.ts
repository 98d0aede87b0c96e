import { CodedError } from '../lib/error.ts';

/** A Redis address taken apart: `redis://user:password@host:6379/0`, `rediss://…` for TLS, or KisFlow's `host:port`. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly db: number;
  /** `verify`: the server's certificate must be valid; `encrypt`: whatever certificate it has will do; `off`: plain text. */
  readonly tls: 'off' | 'encrypt' | 'verify';
}

const tlsWords: Readonly<Record<string, RedisAddress['tls']>> = { verify: 'verify', encrypt: 'encrypt', off: 'off' };

/** Reads an address; throws CONFIG_INVALID that says what is wrong with it, never with the password in it. */
export function parseRedisAddress(text: string, connector: string): RedisAddress {
  const invalid = (reason: string): CodedError =>
    new CodedError(
      'CONFIG_INVALID',
      `Connector ${connector}: addrs ${reason}; write redis://user:password@host:6379/0, rediss://… for TLS, or host:port.`,
    );
  const written = text.includes('://') ? text : `redis://${text}`;
  if (text === '' || !URL.canParse(written)) throw invalid(text === '' ? 'is missing' : 'is no address');
  const url = new URL(written);
  const isSecure = url.protocol === 'rediss:';
  if (!isSecure && url.protocol !== 'redis:') throw invalid(`begins with ${url.protocol}//`);
  if (url.hostname === '') throw invalid('names no host');
  const db = url.pathname.replace(/^\//, '');
  if (!/^\d*$/.test(db)) throw invalid('has a database that is no number');
  const tls = tlsWords[url.searchParams.get('ssl') ?? (isSecure ? 'verify' : 'off')];
  if (tls === undefined) throw invalid('has an ssl parameter other than verify, encrypt or off');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    db: Number(db),
    tls,
  };
}
