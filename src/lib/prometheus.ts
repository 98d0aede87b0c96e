import { createRequire } from 'node:module';
import type * as Client from 'prom-client';

let client: typeof Client | undefined;

/** prom-client, loaded when something is counted for the first time: the index names what counts, and a start need not wait for it. */
export function loadPrometheus(): typeof Client {
  client ??= required();
  return client;
}

function required(): typeof Client {
  return createRequire(import.meta.url)('prom-client');
}
