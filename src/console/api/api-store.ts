import type { Logger } from '../../lib/logger.ts';
import { openStore, type Store } from '../../store/open.ts';

/** A few connections, and short deadlines: whoever asks is not to wait long, nor to take anything from the flows. */
const options = { connectTimeoutMs: 3000, statementTimeoutMs: 4000, connectionsMax: 3 } as const;

/** The store as the HTTP API sees it: connections of its own, made when somebody first asks. */
export class ApiStore {
  readonly #url: string;
  readonly #logger: Logger;
  #opening: Promise<Store> | undefined;

  constructor({ url, logger }: { readonly url: string; readonly logger: Logger }) {
    this.#url = url;
    this.#logger = logger;
  }

  /** Rejects with what openStore does; the next call tries anew. */
  async open(): Promise<Store> {
    const opening = (this.#opening ??= openStore({ ...options, url: this.#url, logger: this.#logger }));
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const store = await this.#opening?.catch(() => undefined); // one that could not be opened needs no closing
    await store?.close();
  }
}
