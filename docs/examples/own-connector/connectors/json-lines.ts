import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CodedError,
  defineConnector,
  isChange,
  type BatchScope,
  type Connector,
  type ConnectorOptions,
  type ConnectorSession,
} from 'kisflow';

/**
 * Rows as files of JSON lines in a folder (`addrs`), for another program to pick up. A file is named for its batch and appears
 * whole: a batch that is done again writes the same file again, so that nothing is there twice.
 */
class JsonLinesConnector implements Connector {
  readonly name: string;
  readonly type = 'json-lines';
  readonly guarantee = 'at-least-once';
  readonly #folder: string;

  constructor(options: ConnectorOptions) {
    if (options.addrs === '') throw new CodedError('CONFIG_INVALID', `Connector ${options.name}: addrs is missing; name a folder.`);
    this.name = options.name;
    this.#folder = options.addrs;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
  }

  session(batch: BatchScope): ConnectorSession {
    let saves = 0;
    return {
      save: async (rows) => {
        if (rows.length === 0) return;
        saves += 1;
        await this.#write(`${batch.id}-${batch.step ?? 0}-${saves}.jsonl`, rows);
      },
      load: async () => this.#refuse('load'),
      query: async () => this.#refuse('query'),
    };
  }

  async close(): Promise<void> {}

  async #write(file: string, rows: readonly unknown[]): Promise<void> {
    const lines = rows.map((row) => JSON.stringify(isChange(row) ? { op: row.op, before: row.before, after: row.after } : row));
    const path = join(this.#folder, file);
    await writeFile(`${path}.tmp`, `${lines.join('\n')}\n`);
    await rename(`${path}.tmp`, path);
  }

  #refuse(what: string): never {
    throw new CodedError('CONNECTOR_FAILED', `Connector ${this.name}: files of JSON lines cannot ${what}.`);
  }
}

export default defineConnector({ type: 'json-lines', make: (options) => new JsonLinesConnector(options) });
