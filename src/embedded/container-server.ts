import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerRuntimeClient, ImageName } from 'testcontainers';
import { OWNER_LABEL, startReaper } from './container-reaper.ts';
import { findFreePort } from './free-port.ts';
import { tail } from './local-server.ts';
import { ServerError } from './server-error.ts';
import type { ServerKind, ServerSettings } from './server.ts';

const READY_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_S = 60;
const POLL_MS = 100;
const PORT_TRIES_MAX = 5;

/** Whose containers these are: all that this process starts. */
const OWNER = randomUUID();

/** What a kind of server is to the container that runs it. */
export interface ContainerSpec {
  readonly kind: ServerKind;
  readonly image: string;
  readonly insidePort: number;
  readonly port: number | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: ServerSettings;
  command(settings: ServerSettings): readonly string[];
  /** Its version; rejects while it is not up. */
  ask(host: string, port: number): Promise<string>;
}

export interface Docker {
  readonly client: ContainerRuntimeClient;
  readonly imageName: (name: string) => ImageName;
}

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

/**
 * A server in a container, with the same life as a LocalServer. Its data is a volume without a name, which a container
 * made anew takes over from the one before, and which goes with the last.
 */
export class ContainerServer {
  readonly #docker: Docker;
  readonly #spec: ContainerSpec;
  #settings: ServerSettings;
  #container: Container;
  #port: number;
  #volumes: readonly string[] = [];
  #isStopped = false;
  #version = '';

  private constructor(docker: Docker, spec: ContainerSpec, port: number, container: Container) {
    this.#docker = docker;
    this.#spec = spec;
    this.#settings = spec.settings;
    this.#port = port;
    this.#container = container;
  }

  /** Pulls the image where it is missing, starts the server and waits until it answers. A failed start leaves nothing. */
  static async start(docker: Docker, spec: ContainerSpec, signal?: AbortSignal): Promise<ContainerServer> {
    signal?.throwIfAborted();
    await startReaper(OWNER);
    await pull(docker, spec);
    for (let tries = 1; ; tries += 1) {
      const port = spec.port ?? (await findFreePort());
      const server = new ContainerServer(docker, spec, port, await create(docker, spec, { port, settings: spec.settings }));
      try {
        await server.#run(signal);
        signal?.addEventListener('abort', () => void server.stop(), { once: true });
        return server;
      } catch (error) {
        await server.stop();
        if (!isPortTaken(error) || spec.port !== undefined || tries === PORT_TRIES_MAX) throw error;
      }
    }
  }

  get host(): string {
    return this.#docker.client.info.containerRuntime.host;
  }

  get port(): number {
    return this.#port;
  }

  get version(): string {
    return this.#version;
  }

  /** Data that is thrown away needs no order. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.resume();
    await this.#container.remove({ force: true, v: true });
    for (const name of this.#volumes) await this.#docker.client.container.dockerode.getVolume(name).remove().catch(isGone);
  }

  async kill(): Promise<void> {
    await this.#container.kill({ signal: 'SIGKILL' });
    await this.#container.wait();
  }

  /** Other settings are other arguments, which take another container. */
  async restart(changes: ServerSettings = {}): Promise<void> {
    if (this.#isStopped) throw new ServerError('SERVER_FAILED', `${this.#spec.kind} was stopped: it has no data left`);
    await this.resume();
    await this.#container.stop({ t: STOP_TIMEOUT_S }).catch(isAlreadySo);
    if (Object.keys(changes).length > 0) {
      this.#settings = { ...this.#settings, ...changes };
      const before = this.#container;
      const { Mounts: mounts } = await before.inspect();
      this.#volumes = mounts.flatMap(({ Name: name }) => (name === undefined ? [] : [name]));
      const after = { port: this.#port, settings: this.#settings, volumesFrom: before.id };
      this.#container = await create(this.#docker, this.#spec, after);
      await before.remove({ force: true });
    }
    await this.#run();
  }

  async pause(): Promise<void> {
    await this.#container.pause();
  }

  async resume(): Promise<void> {
    await this.#container.unpause().catch(isAlreadySo);
  }

  async #run(signal?: AbortSignal): Promise<void> {
    await this.#container.start();
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (await this.#isRunning()) {
      signal?.throwIfAborted();
      try {
        this.#version = await this.#spec.ask(this.host, this.#port);
        return;
      } catch {
        if (Date.now() > deadline) throw await this.#failure(`did not answer in ${READY_TIMEOUT_MS} ms`);
      }
      await delay(POLL_MS);
    }
    throw await this.#failure('ended before it answered');
  }

  async #isRunning(): Promise<boolean> {
    return (await this.#container.inspect()).State.Running;
  }

  async #failure(what: string): Promise<ServerError> {
    const log = withoutHeaders(await this.#container.logs({ stdout: true, stderr: true, tail: 30 }));
    return new ServerError('SERVER_FAILED', `${this.#spec.kind} (${this.#spec.image}) ${what}. Its log ends with:\n${tail(log)}`);
  }
}

interface Creation {
  readonly port: number;
  readonly settings: ServerSettings;
  readonly volumesFrom?: string;
}

/** A fixed port of the host: a container that is started again would get another otherwise. */
async function create({ client }: Docker, spec: ContainerSpec, { port, settings, volumesFrom }: Creation): Promise<Container> {
  const inside = `${spec.insidePort}/tcp`;
  const { host } = client.info.containerRuntime;
  // Only for this machine, where Docker is on this machine.
  const address = ['localhost', '127.0.0.1'].includes(host) ? { HostIp: '127.0.0.1' } : {};
  return client.container.dockerode.createContainer({
    Image: spec.image,
    Cmd: [...spec.command(settings)],
    Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
    Labels: { [OWNER_LABEL]: OWNER },
    ExposedPorts: { [inside]: {} },
    HostConfig: {
      PortBindings: { [inside]: [{ HostPort: String(port), ...address }] },
      ...(volumesFrom === undefined ? {} : { VolumesFrom: [volumesFrom] }),
    },
  });
}

async function pull({ client, imageName }: Docker, { kind, image }: ContainerSpec): Promise<void> {
  const name = imageName(image);
  try {
    await client.image.pull(name);
    if (await client.image.exists(name)) return;
  } catch (cause) {
    throw new ServerError('SERVER_FAILED', noImage(kind, image, cause), { cause });
  }
  throw new ServerError('SERVER_FAILED', noImage(kind, image, 'the pull ended without it'));
}

function noImage(kind: ServerKind, image: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message : String(cause);
  return `could not pull the image ${image}: ${why.trim()}\nKISFLOW_${kind.toUpperCase()}_IMAGE names another.`;
}

/** Each piece of a container's log comes with eight bytes before it: the stream, and the length. */
function withoutHeaders(log: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length;) {
    const end = at + 8 + log.readUInt32BE(at + 4);
    pieces.push(log.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString('utf8');
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && /port is already allocated|address already in use/i.test(error.message);
}

/** What Docker answers to a request that changes nothing: 304, and 409 or 500 for a container that is not paused. */
function isAlreadySo(error: unknown): void {
  if (statusOf(error) !== 304 && !/is not (paused|running)/i.test(String(error))) throw error;
}

function isGone(error: unknown): void {
  if (statusOf(error) !== 404) throw error;
}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
}
