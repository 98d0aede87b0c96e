import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { FlowMetrics } from '../flow/flow-metrics.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';

/** KisFlow's route. */
const route = '/metrics';
const defaultServe = '127.0.0.1:20004';

export interface MetricsServer {
  /** `http://host:port/metrics`, with the port that was really taken. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** What the global document says about metrics. */
export interface MetricsOptions {
  /** prometheus_enable: runs are counted. */
  readonly isEnabled: boolean;
  /** prometheus_listen: the figures are served too. */
  readonly isServed: boolean;
  readonly serve?: string | undefined;
  readonly logger?: Logger | undefined;
}

export interface OpenMetrics {
  /** Undefined: nothing is counted. */
  readonly metrics: FlowMetrics | undefined;
  /** Where they are served; undefined: nowhere. */
  readonly url: string | undefined;
  readonly close: () => Promise<void>;
}

/** Counts and serves as far as it is wished. */
export async function openMetrics(options: MetricsOptions): Promise<OpenMetrics> {
  if (!options.isEnabled) return { metrics: undefined, url: undefined, close: async () => {} };
  const metrics = new FlowMetrics();
  const server = options.isServed ? await serveMetrics(metrics, options) : undefined;
  return { metrics, url: server?.url, close: async () => server?.close() };
}

/**
 * Serves the figures at `http://<serve>/metrics`. `serve` is `host:port`; without a host (`:20004`) it is this machine only, and port 0
 * takes a free one. Rejects with LISTEN_FAILED where the address cannot be had, CONFIG_INVALID where it is none.
 */
export async function serveMetrics(
  metrics: FlowMetrics,
  options: { readonly serve?: string | undefined; readonly logger?: Logger | undefined },
): Promise<MetricsServer> {
  const { host, port } = parseListen(options.serve ?? defaultServe);
  const server = createServer((request, response) => {
    answer(metrics, request, response).catch((error: unknown) => {
      options.logger?.error({ error: describeError(error) }, 'metrics not answered');
      response.destroy();
    });
  });
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    const message = `Metrics cannot be served at ${host}:${port}: ${describeError(error)}. Write a free address in prometheus_serve of the global document.`;
    throw new CodedError('LISTEN_FAILED', message, { cause: error, details: { address: `${host}:${port}` } });
  }
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${portOf(server)}${route}`;
  options.logger?.info({ url }, 'metrics are served');
  return { url, close: () => close(server) };
}

async function answer(metrics: FlowMetrics, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?')[0];
  if (path !== route) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(`There is only ${route} here.\n`);
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
}

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new CodedError('CONFIG_INVALID', `prometheus_serve is "${text}"; write host:port, such as ${defaultServe}.`);
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
