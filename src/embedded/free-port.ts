import { createServer } from 'node:net';

// Below the range that Linux hands to outgoing connections: there a client's own socket could take the port of a
// server that is between stop and restart.
const LOWEST = 16_000;
const HIGHEST = 31_999;
const TRIES_MAX = 200;

/** A TCP port of 127.0.0.1 on which nothing listens now; another process may still be quicker. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} in ${TRIES_MAX} tries`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
