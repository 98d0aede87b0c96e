import { CodedError } from '../lib/error.ts';

/** A store url taken apart: `mysql://user:password@host:port/database?ssl=true`. */
export interface StoreAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `verify`: the server's certificate must be valid; `encrypt`: whatever certificate it has will do; `off`: plain text. */
  readonly tls: 'off' | 'encrypt' | 'verify';
}

const tlsWords: Readonly<Record<string, StoreAddress['tls']>> = {
  true: 'verify',
  verify: 'verify',
  encrypt: 'encrypt',
  false: 'off',
  off: 'off',
};

function invalid(reason: string): CodedError {
  return new CodedError('CONFIG_INVALID', `The store url ${reason}; write mysql://user:password@host:3306/database`);
}

/** Reads a url; throws CONFIG_INVALID that says what is wrong with it, never with the password in it. */
export function parseStoreUrl(text: string): StoreAddress {
  if (!URL.canParse(text)) throw invalid('is not a url');
  const url = new URL(text);
  if (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:') throw invalid(`begins with ${url.protocol}//`);
  const database = decodeURIComponent(url.pathname.replace(/^\//, ''));
  if (database === '') throw invalid('names no database');
  const tls = tlsWords[url.searchParams.get('ssl') ?? 'off'];
  if (tls === undefined) throw invalid('has an ssl parameter other than verify, encrypt or off');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
    port: url.port === '' ? 3306 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database,
    tls,
  };
}
