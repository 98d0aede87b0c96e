import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CodedError, describeError } from './error.ts';
import { silentLogger, type Logger } from './logger.ts';

/** What a route answers. */
export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is to be had at a path, by GET and HEAD. */
export interface HttpRoute {
  readonly path: string;
  readonly answer: () => HttpAnswer | Promise<HttpAnswer>;
}

export interface HttpServerOptions {
  /** `host:port`; without a host (`:8060`) it is this machine only, and port 0 takes a free one. */
  readonly listen: string;
  /** The key of the global document that says so, for messages. */
  readonly key: string;
  readonly routes: readonly HttpRoute[];
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
const bodyBytesMax = 65_536;

export function jsonAnswer(status: number, value: unknown): HttpAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

/**
 * Serves these routes: other paths are 404, other methods 405. Rejects with LISTEN_FAILED where the address cannot be had, CONFIG_INVALID
 * where it is none.
 */
export async function serveHttp({ listen, key, routes, logger = silentLogger }: HttpServerOptions): Promise<HttpServer> {
  const { host, port } = parseListen(listen, key);
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const server = createServer(limits, (request, response) => {
    respond(byPath, request, response).catch((error: unknown) => {
      logger.error({ path: pathOf(request), error: describeError(error) }, 'request not answered');
      response.destroy();
    });
  });
  server.maxConnections = connectionsMax;
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
  dropBody(request);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  const route = routes.get(pathOf(request));
  if (route === undefined) return send(response, jsonAnswer(404, { error: 'not found', paths: [...routes.keys()] }));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, jsonAnswer(405, { error: 'method not allowed' }));
  }
  send(response, await route.answer());
}

function send(response: ServerResponse, { status, type, body }: HttpAnswer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** No route takes one: it is read to its end, and no further than it may be long. */
function dropBody(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) request.destroy();
  });
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? '';
}

function parseListen(text: string, key: string): { readonly host: string; readonly port: number } {
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
