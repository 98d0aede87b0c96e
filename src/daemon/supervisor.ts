import { deferred } from '../lib/abort.ts';
import type { Assembly } from './assemble.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import type { FlowService } from './flow-service.ts';

export interface SupervisorOptions {
  readonly makeService: (subject: DaemonFlow) => FlowService;
  /** Every service ends with its first run. */
  readonly once: boolean;
  /** How long a flow that is taken away may take to commit what it has received. */
  readonly retireMs: number;
  /** A service has ended: nothing of it is in use any more. */
  readonly onEnded: () => void;
}

/** Names of flows, by what became of them. */
export interface AssemblyDifference {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** The services of a daemon, one a flow. Flows that are the same in the next assembly are not touched. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #services = new Map<string, FlowService>();
  /** All that have not ended yet, those that are leaving too. */
  readonly #running = new Map<FlowService, Promise<void>>();
  readonly #broken = deferred<never>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#broken.promise.catch(() => {}); // whoever waits for `ended` gets it
  }

  /** One a flow of the assembly, whether it has ended or not. */
  get services(): readonly FlowService[] {
    return [...this.#services.values()];
  }

  get running(): readonly FlowService[] {
    return [...this.#running.keys()];
  }

  /** Makes the services those of this assembly: starts, replaces and retires. What it starts has begun, and not yet happened, when it returns. */
  apply(assembly: Assembly): AssemblyDifference {
    const wanted = new Map(assembly.flows.map((subject) => [subject.flow.name, subject]));
    const added: string[] = [];
    const changed: string[] = [];
    const removed: string[] = [];
    for (const [name, service] of this.#services) {
      const subject = wanted.get(name);
      if (subject?.sourceName === service.subjects[0]?.sourceName) continue;
      if (subject === undefined) removed.push(name);
      else changed.push(name);
      this.#services.delete(name);
      service.retire(this.#options.retireMs);
    }
    for (const [name, subject] of wanted) {
      const service = this.#services.get(name);
      if (service === undefined) {
        this.#start(subject);
        if (!changed.includes(name)) added.push(name);
      } else if (service.subjects.at(-1) !== subject) {
        service.replace(subject);
        changed.push(name);
      }
    }
    return { added, changed, removed };
  }

  /** Resolves when every service has ended, and `stopped` is over; rejects when one is broken, which is a fault of ours. */
  async ended(stopped: Promise<void>): Promise<void> {
    await Promise.race([stopped, this.#broken.promise]);
    while (this.#running.size > 0) await Promise.race([Promise.all(this.#running.values()), this.#broken.promise]);
  }

  #start(subject: DaemonFlow): void {
    const { once, makeService, onEnded } = this.#options;
    const service = makeService(subject);
    // the flow's service before may still be leaving
    const before = [...this.#running].filter(([other]) => other.name === service.name).map(([, ended]) => ended);
    this.#services.set(service.name, service);
    const ended = Promise.all(before)
      .then(() => service.run({ once }))
      .catch((error: unknown) => this.#broken.reject(error))
      .finally(() => {
        this.#running.delete(service);
        onEnded();
      });
    this.#running.set(service, ended);
  }
}
