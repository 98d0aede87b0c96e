import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CodedError, describeError } from './error.ts';
import { silentLogger, type Logger } from './logger.ts';

/** What a route answers. */
export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What is to be had at a path, by GET and HEAD. */
export interface HttpRoute {
  readonly path: string;
  readonly answer: () => HttpAnswer | Promise<HttpAnswer>;
}

/** What somebody asks a handler. */
export interface HttpRequest {
  readonly method: string;
  /** As it was sent: percent-encoded, and without what follows `?`. */
  readonly path: string;
  /** What follows `?`; '' where nothing does. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the other end of the connection. */
  readonly remoteAddress: string;
  /** The whole body; undefined where it is longer than bodies may be. */
  readonly readBody: () => Promise<Buffer | undefined>;
}

/** Answers everything below a path, whatever the method. */
export interface HttpHandler {
  /** `/api/`, and `/api` itself. */
  readonly prefix: string;
  readonly answer: (request: HttpRequest) => Promise<HttpAnswer>;
}

export interface HttpServerOptions {
  /** `host:port`; without a host (`:8060`) it is this machine only, and port 0 takes a free one. */
  readonly listen: string;
  /** The key of the global document that says so, for messages. */
  readonly key: string;
  readonly routes: readonly HttpRoute[];
  readonly handler?: HttpHandler | undefined;
  readonly logger?: Logger | undefined;
}

export interface HttpServer {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Nobody who asks here has much to say, or takes long to say it. */
const limits = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const;
const connectionsMax = 100;
/** Nothing is heard, and nothing is taken of an answer, for this long: the connection is dropped. */
const idleMsMax = 30_000;
const bodyBytesMax = 65_536;
/** Of a body that nobody wants, what is read so that its sender gets to read the answer. */
const dropBytesMax = 16 * bodyBytesMax;

export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

/**
 * Serves these routes: other paths are 404, other methods 405. Rejects with LISTEN_FAILED where the address cannot be had, CONFIG_INVALID
 * where it is none.
 */
export async function serveHttp({ listen, key, routes, handler, logger = silentLogger }: HttpServerOptions): Promise<HttpServer> {
  const { host, port } = parseListen(listen, key);
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const server = createServer(limits, (request, response) => {
    const isHandled = handler !== undefined && `${pathOf(request)}/`.startsWith(handler.prefix);
    const answering = isHandled ? handle(handler, request, response) : respond(byPath, request, response);
    answering.catch((error: unknown) => {
      logger.error({ path: pathOf(request), error: describeError(error) }, 'request not answered');
      response.destroy();
    });
  });
  server.maxConnections = connectionsMax;
  server.timeout = idleMsMax;
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const message = `${host}:${port} cannot be listened on: ${describeError(error)}. Write a free address in ${key} of the global document.`;
    throw new CodedError('LISTEN_FAILED', message, { cause: error, details: { address: `${host}:${port}` } });
  }
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${portOf(server)}`;
  return { url, close: () => close(server) };
}

async function respond(routes: ReadonlyMap<string, HttpRoute>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  dropBody(request, bodyBytesMax);
  const route = routes.get(pathOf(request));
  if (route === undefined) return send(response, jsonAnswer(404, { error: 'not found', paths: [...routes.keys()] }));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, { ...jsonAnswer(405, { error: 'method not allowed' }), headers: { allow: 'GET, HEAD' } });
  }
  send(response, await route.answer());
}

async function handle(handler: HttpHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', ...query] = (request.url ?? '').split('?');
  const answer = await handler.answer({
    method: request.method ?? '',
    path,
    query: query.join('?'),
    headers: request.headers,
    remoteAddress: request.socket.remoteAddress ?? '',
    readBody: () => readBody(request),
  });
  if (request.complete) return send(response, answer);
  // what is left of the body is in the way of the next request
  send(response, { ...answer, headers: { ...answer.headers, connection: 'close' } });
  dropBody(request, dropBytesMax);
}

function send(response: ServerResponse, { status, type, body, headers }: HttpAnswer): void {
  response
    .writeHead(status, {
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
      'content-type': type,
      'content-length': Buffer.byteLength(body),
    })
    .end(body);
}

/** Rejects when the other end goes away meanwhile. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= bodyBytesMax) return;
      request.off('data', onData);
      resolve(undefined);
    };
    request.on('data', onData);
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', reject);
  });
}

/** Nobody takes it: it is read to its end, and no further than it may be long. */
function dropBody(request: IncomingMessage, bytesMax: number): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) request.destroy();
  });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}

/** Throws CONFIG_INVALID, which names the key that it stands at. */
export function parseListen(text: string, key: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new CodedError('CONFIG_INVALID', `${key} is "${text}"; write host:port, such as 127.0.0.1:8060.`);
  }
  return { host: (match[1] ?? match[2]) || '127.0.0.1', port };
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
