/**
 * TLS of every server that kisflow connects to: how an address asks for it, the files that it names, and what a failure means.
 * Nothing is ever downgraded: with `encrypt` or `verify` a server that offers no TLS is refused.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** `verify`: the server's certificate must be valid, for this host; `encrypt`: whatever certificate it has will do; `off`: plain text. */
export type TlsMode = 'off' | 'encrypt' | 'verify';

/** Paths of PEM files, as the address gives them. */
export interface TlsFiles {
  /** The CAs that may have signed the server's certificate; without it those that Node knows. */
  readonly ca?: string;
  /** The client's own certificate, and its key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface TlsWish {
  readonly tls: TlsMode;
  readonly tlsFiles: TlsFiles;
}

const modes: Readonly<Record<string, TlsMode>> = {
  true: 'verify',
  verify: 'verify',
  encrypt: 'encrypt',
  false: 'off',
  off: 'off',
};

/** All parameters that an address may have. */
const known: readonly string[] = ['ssl', 'ssl_ca', 'ssl_cert', 'ssl_key'];

/** The TLS that the parameters of an address ask for, or what is wrong with them, as the end of a sentence: `has …`. */
export function readTlsParameters(url: URL, fallback: TlsMode = 'off'): TlsWish | string {
  // What follows a raw ? or # of a password would be shown as a parameter.
  if (/@/.test(url.search + url.hash)) return 'has an @ behind a ? or #: percent-encode the special characters of the password';
  if (url.hash !== '') return 'has a #: write it as %23';
  const given = url.searchParams;
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return `has the unknown parameter ${unknown}; it takes ${known.join(', ')}`;
  const twice = known.find((name) => given.getAll(name).length > 1);
  if (twice !== undefined) return `has the parameter ${twice} twice`;
  const tls = modes[given.get('ssl') ?? fallback];
  if (tls === undefined) return 'has an ssl parameter other than verify, encrypt or off';
  const [ca, cert, key] = [given.get('ssl_ca'), given.get('ssl_cert'), given.get('ssl_key')];
  if ((cert === null) !== (key === null)) return 'has one of ssl_cert and ssl_key: a certificate needs its key';
  if (tls !== 'verify' && ca !== null) return 'has ssl_ca, which says whom to trust, and does not verify: write ssl=verify';
  if (tls === 'off' && cert !== null) return 'has ssl_cert without TLS: write ssl=verify';
  return {
    tls,
    tlsFiles: { ...(ca === null ? {} : { ca }), ...(cert === null || key === null ? {} : { cert, key }) },
  };
}

/** What Node's TLS is told; undefined for `off`. */
export interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

/** Reads the files, each time, so that renewed ones count from the next connection on. Throws an Error that names the file. */
export function tlsOptions({ tls, tlsFiles }: TlsWish): TlsOptions | undefined {
  if (tls === 'off') return undefined;
  const read = (name: keyof TlsFiles): Record<string, Buffer> => {
    const file = tlsFiles[name];
    return file === undefined ? {} : { [name]: readPem(`ssl_${name}`, file) };
  };
  const options = { ...read('ca'), ...read('cert'), ...read('key') };
  try {
    createSecureContext(options); // which the driver would do where nobody hears it fail
  } catch (error) {
    const files = Object.entries(tlsFiles).map(([name, file]) => `ssl_${name} ${file}`);
    throw new Error(`${files.join(' and ')}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return { ...options, rejectUnauthorized: tls === 'verify' };
}

function readPem(parameter: string, file: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`${parameter} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (!bytes.includes('-----BEGIN ')) throw new Error(`${parameter} ${file} holds no PEM block`);
  return bytes;
}

/** What a connection that broke in the middle of a handshake says: not TLS's fault. */
const network = /ECONNRESET|EPIPE|ETIMEDOUT|ECONNREFUSED|socket disconnected|socket hang up/i;

/** First what is said of it, then what mends it. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [/certificate has expired/i, 'renew the server’s certificate'],
  [/certificate is not yet valid/i, 'set the clocks of both machines, or wait until it is'],
  [/does not match certificate/i, 'write the host that the certificate names, or give the server one for this host'],
  [
    /self[- ]signed certificate|unable to (verify|get)|issuer/i,
    'its CA is not trusted here: name the CA’s file, ssl_ca=/path/ca.pem, if the server is the right one',
  ],
  [/alert/i, 'the server refuses the handshake: give it a client certificate that it trusts, ssl_cert=/path and ssl_key=/path'],
  [/does not support secure connection/i, 'give the server a certificate; only where nobody else can listen, write ssl=off'],
  [/wrong version number|packet length too long/i, 'the server speaks no TLS at this port'],
  [/^ssl_(ca|cert|key) /, 'correct the file or the parameter'],
];

/** What TLS failed with, and what mends it; undefined where an error is about something else. */
export function explainTls(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  const isTls =
    /^(HANDSHAKE_(NO_)?SSL|ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code) ||
    /^ssl_(ca|cert|key) /.test(error.message);
  if (!isTls || network.test(error.message)) return undefined;
  const remedy = meanings.find(([pattern]) => pattern.test(error.message))?.[1];
  return `${reasonOf(error)}${remedy === undefined ? '' : `; ${remedy}`}`;
}

/** OpenSSL's errors are lines of numbers and files around the reason. */
function reasonOf(error: Error): string {
  const reason: unknown = /:SSL routines:/.test(error.message) ? Reflect.get(error, 'reason') : undefined;
  return (typeof reason === 'string' ? reason : error.message).replaceAll(/\s+/g, ' ').trim();
}

/** Whether a host is this machine, to which nobody listens in. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|(::ffff:)?127(\.\d{1,3}){3})$/i.test(host);
}
