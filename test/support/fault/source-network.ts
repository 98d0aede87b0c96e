import { afterBytes, type HalfOpenProxy } from '../half-open-proxy.ts';
import { waitFor } from '../wait-for.ts';

/** Faults of the network between kisflow and the source, of which all goes through the proxy. Each resolves when its fault is over. */
export interface SourceNetworkContext {
  readonly proxy: HalfOpenProxy;
}

/** All connections go silent, until one is left for another. Gives how many seconds that took. */
export async function halfOpenSource({ proxy }: SourceNetworkContext): Promise<number> {
  const since = performance.now();
  const { connectionCount } = proxy;
  proxy.setMode('half-open');
  await waitFor(() => proxy.connectionCount > connectionCount, { deadlineMs: 60_000, what: 'another connection' });
  const seconds = (performance.now() - since) / 1000;
  proxy.cut();
  proxy.setMode('forward');
  return seconds;
}

/** A connection ends behind so many bytes more: in the middle of a packet, as it comes. */
export async function cutSource({ proxy }: SourceNetworkContext, bytes: number): Promise<void> {
  await proxy.spoil('cut', afterBytes(bytes));
}

/** One bit of a row changes on its way: of the letters that the orders' notes are made of. */
export async function damageSource({ proxy }: SourceNetworkContext): Promise<void> {
  await proxy.spoil('flip', (chunk) => chunk.indexOf('xxxxxxxxxxxx'));
}

/** The address takes no connections, until so many were tried. */
export async function refuseSource({ proxy }: SourceNetworkContext, tries: () => Promise<unknown>): Promise<void> {
  proxy.refuse(true);
  proxy.cut();
  await tries();
  proxy.refuse(false);
}

/** Each connection brings so many bytes in a second, for longer than a silence that counts as a loss. */
export async function slowSource({ proxy }: SourceNetworkContext, bytesPerSecond: number): Promise<void> {
  proxy.setRate(bytesPerSecond);
  const since = performance.now();
  await waitFor(() => performance.now() - since > 8000, { deadlineMs: 20_000 });
  proxy.setRate(undefined);
}
