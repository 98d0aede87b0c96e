import { startCommand, type DaemonProcess } from './daemon-process.ts';
import type { ShopProject } from './shop-project.ts';
import { waitFor } from './wait-for.ts';

/** What `/readyz` says. */
export interface Ready {
  readonly status: number;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly flows: readonly {
    readonly flow: string;
    readonly state: string;
    readonly ready: boolean;
    readonly freshSeconds: number | null;
    readonly reasons: readonly string[];
  }[];
}

export interface WatchedDaemon {
  readonly daemon: DaemonProcess;
  /** `http://host:port`. */
  readonly url: string;
  readonly ready: () => Promise<Ready>;
  /** The first answer that satisfies, and how long that took. */
  readonly waitForReady: (is: (ready: Ready) => boolean, what: string) => Promise<{ readonly ready: Ready; readonly ms: number }>;
  /** What `kisflow status --json` says of its flows. */
  readonly status: () => Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** A statement has 5 s, and is asked every second; the rest is for a loaded machine. */
export const noticedWithinMs = 20_000;

export const isReady = ({ status }: Ready): boolean => status === 200;
export const isNotReady = ({ status }: Ready): boolean => status === 503;

/** A daemon of the shop's project with `http.listen`. */
export async function spawnWatched(project: ShopProject): Promise<WatchedDaemon> {
  const daemon = await startCommand(['run', '--lease-ttl', '4000'], { cwd: project.folder, env: project.env });
  const line: unknown = JSON.parse(await daemon.waitForLine(/health is served/));
  const url = String(typeof line === 'object' && line !== null ? Reflect.get(line, 'url') : '');
  const ready = async (): Promise<Ready> => {
    const response = await fetch(`${url}/readyz`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it is, the test compares
    return { ...((await response.json()) as Omit<Ready, 'status'>), status: response.status };
  };
  return {
    daemon,
    url,
    ready,
    async waitForReady(is, what) {
      const since = performance.now();
      const found = await waitFor(
        async () => {
          const now = await ready();
          return is(now) && now;
        },
        { deadlineMs: 60_000, pollMs: 100, what },
      );
      return { ready: found, ms: performance.now() - since };
    },
    async status() {
      const command = await startCommand(['status', '--json'], { cwd: project.folder, env: project.env });
      await command.waitForExit(30_000);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it is, the test compares
      return (JSON.parse(command.stdout.join('\n')) as { flows: Record<string, unknown>[] }).flows;
    },
  };
}
