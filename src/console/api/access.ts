/**
 * Who may ask the HTTP API what. Pure: it decides by the head of a request alone, before anything else of it is looked at.
 *
 *     a token is configured ──► whoever sends it may do everything, and nobody else anything
 *     none, and the listener is on loopback ──► reads, for this machine only
 *     none, and others can reach the listener ──► nothing
 *
 * Browsers are in between: a page of another site, or a name that suddenly means this machine (DNS rebinding), is refused whatever it sends.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { CodedError } from '../../lib/error.ts';
import { isLoopback } from '../../lib/tls.ts';

export interface AccessPolicy {
  /** Of the configuration; undefined: none. */
  readonly token: string | undefined;
  /** Names that a request may call this server by, besides its addresses and localhost. */
  readonly hosts: readonly string[];
  /** What the server listens on. */
  readonly listenHost: string;
}

export interface AccessRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
}

/** A proxy that sends these speaks for others, though it is on this machine itself. */
const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

/** Decides by this policy: why a request is refused, undefined where it is not. */
export function accessRule({ token, hosts, listenHost }: AccessPolicy): (request: AccessRequest) => CodedError | undefined {
  const names = new Set(['localhost', ...[listenHost, ...hosts].map((name) => name.toLowerCase())]);
  const digest = token === undefined ? undefined : digestOf(token);
  const isLocal = isLoopback(listenHost);
  return (request) =>
    refuseStrangeName(request, names) ??
    refuseOtherSite(request) ??
    (digest === undefined ? refuseWithoutToken(request, isLocal) : refuseOtherToken(request, digest)) ??
    refuseOtherMedia(request);
}

export function isWrite(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

function refuseStrangeName({ headers }: AccessRequest, names: ReadonlySet<string>): CodedError | undefined {
  const [, address, name = ''] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(headers.host ?? '') ?? [];
  if (address !== undefined && isIP(address) === 6) return undefined;
  if (isIP(name) === 4 || names.has(name.toLowerCase())) return undefined;
  return forbidden('The Host header is neither an address nor localhost nor a name of http.hosts: add the name there.');
}

function refuseOtherSite({ headers }: AccessRequest): CodedError | undefined {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  const isOwn = origin === undefined || /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
  if (isOwn && site !== 'cross-site' && site !== 'same-site') return undefined;
  return forbidden('The request comes from a web page of another site.');
}

function refuseWithoutToken({ method, headers, remoteAddress }: AccessRequest, isLocal: boolean): CodedError | undefined {
  if (!isLocal) return forbidden('The HTTP API is off: others can reach its address, and no http.token is configured.');
  const isForOthers = !isLoopback(remoteAddress) || proxyHeaders.some((name) => headers[name] !== undefined);
  if (isForOthers)
    return forbidden('Without http.token in the configuration the HTTP API answers this machine only, and no proxy.');
  if (!isWrite(method)) return undefined;
  return forbidden('Without http.token in the configuration the HTTP API only reads: configure one, and send it.');
}

/** Both are hashed, so that neither how long nor how alike they are shows in how long it takes. */
function refuseOtherToken({ headers }: AccessRequest, digest: Buffer): CodedError | undefined {
  const [, given] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (given !== undefined && timingSafeEqual(digestOf(given), digest)) return undefined;
  const message = given === undefined ? 'The request has no token.' : 'The token is not that of the configuration.';
  return new CodedError('REQUEST_UNAUTHORIZED', message);
}

/** A form of another page cannot send this type without asking first, and nobody answers that. */
function refuseOtherMedia({ method, headers }: AccessRequest): CodedError | undefined {
  if (!isWrite(method) || /^application\/json *(?:;.*)?$/i.test(headers['content-type'] ?? '')) return undefined;
  return new CodedError('REQUEST_MEDIA_TYPE', 'A request that changes something has the header Content-Type: application/json.');
}

function forbidden(message: string): CodedError {
  return new CodedError('REQUEST_FORBIDDEN', message);
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
