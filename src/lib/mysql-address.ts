/**
 * Addresses of MySQL and MariaDB servers, `mysql://user:password@host:3306/database?ssl=verify`: of sources, the store and connectors
 * alike, read here and nowhere else, and the way to connect to one.
 */
import { connect, isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'mysql2';
import { CodedError } from './error.ts';
import { explainTls, readTlsParameters, tlsOptions, type TlsWish } from './tls.ts';

/** An address taken apart. */
export interface MysqlAddress extends TlsWish {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** '' where the address names none. */
  readonly database: string;
}

/** Reads an address; gives what is wrong with it as the end of a sentence (`is no mysql:// address`), never with the password in it. */
export function readMysqlAddress(text: string): MysqlAddress | string {
  if (!URL.canParse(text)) return 'is no mysql:// address';
  const url = new URL(text);
  if (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:') return 'is no mysql:// address';
  const wish = readTlsParameters(url);
  if (typeof wish === 'string') return wish;
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
      port: url.port === '' ? 3306 : Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.replace(/^\//, '')),
      ...wish,
    };
  } catch {
    return 'has a % that encodes nothing: write it as %25'; // of decodeURIComponent, which says no more
  }
}

/** As readMysqlAddress; throws CONFIG_INVALID. `what` is whose address it is: `The store url`. */
export function parseMysqlAddress(text: string, what: string, example = 'mysql://user:password@host:3306'): MysqlAddress {
  const address = readMysqlAddress(text);
  if (typeof address === 'string') throw new CodedError('CONFIG_INVALID', `${what} ${address}; write ${example}`);
  return address;
}

/** The driver's options for an address, and the socket that it will talk through. */
export interface MysqlLogin {
  readonly options: ConnectionOptions;
  readonly socket: Socket;
}

/** Opens a socket to the address. Throws an Error that explainTls understands when a file of its TLS cannot be used. */
export function openLogin(address: MysqlAddress): MysqlLogin {
  const { host, port, user, password, database } = address;
  const tls = tlsOptions(address);
  const socket = connect({ host, port });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
  // Whom the certificate must name: Node takes it from the socket where TLS has no server name, which an IP address never is, and
  // would compare with "localhost" else. Node sets this itself for names that it looks up.
  if (isIP(host) !== 0) Reflect.set(socket, '_host', host);
  const ssl = tls === undefined ? {} : { ssl: { ...tls, verifyIdentity: tls.rejectUnauthorized } };
  const options = { stream: () => socket, host, port, user, password, ...(database === '' ? {} : { database }), ...ssl };
  return { options, socket };
}

/** ER_SECURE_TRANSPORT_REQUIRED of MySQL. MariaDB has a number of its own and the same words. */
const plainRefused = /insecure transport are prohibited/i;
const ACCESS_DENIED = 1045;

/**
 * What keeps TLS from coming to be, or the server from taking a connection without; undefined where an error is about something else.
 * Never passes by itself.
 */
export function explainTlsRefusal(error: unknown, wish: TlsWish): string | undefined {
  if (error instanceof Error && plainRefused.test(error.message)) return `${error.message}; write ?ssl=verify behind the address`;
  const text = explainTls(error);
  return text === undefined ? undefined : `TLS (ssl=${wish.tls}): ${text}`;
}

/** What a refused login may mean besides a wrong password: servers say no more when an account is held to TLS. '' where nothing. */
export function accessHint(error: unknown, { tls, tlsFiles }: TlsWish): string {
  const errno = typeof error === 'object' && error !== null ? Reflect.get(error, 'errno') : undefined;
  if (errno !== ACCESS_DENIED) return '';
  if (tls === 'off') return ' (or the account or the server takes TLS only: write ?ssl=verify behind the address)';
  if (tlsFiles.cert === undefined) return ' (or the account REQUIREs X509: add ssl_cert=/path and ssl_key=/path to the address)';
  return ' (or the account REQUIREs another client certificate than ssl_cert)';
}
