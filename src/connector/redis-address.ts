import { CodedError } from '../lib/error.ts';
import { readTlsParameters, type TlsWish } from '../lib/tls.ts';

/** A Redis address taken apart: `redis://user:password@host:6379/0`, `rediss://…` for TLS, or KisFlow's `host:port`. */
export interface RedisAddress extends TlsWish {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly db: number;
}

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
  const wish = readTlsParameters(url, isSecure ? 'verify' : 'off');
  if (typeof wish === 'string') throw invalid(wish);
  if (isSecure && wish.tls === 'off') throw invalid('asks for TLS by rediss:// and for none by ssl=off');
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? 6379 : Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      db: Number(db),
      ...wish,
    };
  } catch {
    throw invalid('has a % that encodes nothing (write it as %25)'); // of decodeURIComponent, which says no more
  }
}
