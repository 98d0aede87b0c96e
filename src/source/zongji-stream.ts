import type { Connection } from 'mysql2';
import ZongJi, { type TableMapEvent } from '@vlasky/zongji';
import type { TableFilter } from './contract.ts';
import type { EventPacket } from './event-header.ts';

/** What zongji 0.9.0 (pinned) and mysql2 have inside, of which their types do not speak. */
export interface DumpPacket extends EventPacket {
  isError(): boolean;
  isEOF(): boolean;
  asError(encoding: string): Error;
}

interface DumpCommand {
  execute(packet: DumpPacket | undefined, connection: Connection): boolean;
}

interface ZongjiInternals {
  BinlogClass: new (...args: readonly unknown[]) => DumpCommand;
  _fetchTableInfo(event: TableMapEvent, next: () => void): void;
  _isChecksumEnabled(next: (error: Error | null, isEnabled: boolean) => void): void;
}

export interface ZongjiStreamOptions {
  readonly wants: TableFilter;
  /** Whether events end in a checksum, when a format description said other than the server's setting; else undefined. */
  readonly hasChecksum: boolean | undefined;
  /**
   * Sees every packet of the dump before zongji does. `decode` lets zongji have it; what it throws, or what this throws, is the
   * caller's to catch inside.
   */
  readonly onPacket: (packet: DumpPacket, decode: () => void) => void;
  /** A table map whose columns the server's present definition would have to tell; false refuses. */
  readonly onTableLookup: (event: TableMapEvent) => boolean;
}

/**
 * zongji with three doors opened: each packet is seen before it is decoded, the table filter is a function, and what zongji would
 * pass by with a single error is left to `onPacket`, which refuses it by its type.
 */
export class ZongjiStream extends ZongJi {
  readonly #options: ZongjiStreamOptions;

  constructor(connection: object, options: ZongjiStreamOptions) {
    super(connection);
    this.#options = options;
    this.on('ready', () => this.#tap());
  }

  /** zongji asks this for each table map: with includeSchema it would have to know all names beforehand. */
  _skipSchema(schema: string, table: string): boolean {
    return !this.#options.wants(schema, table);
  }

  /** Its error comes once and does not stop the stream; `onPacket` refuses such events, every time. */
  _warnUnsupportedEvent(): void {}

  /** zongji would take the columns from INFORMATION_SCHEMA, which may be those of another time. */
  _fetchTableInfo(event: TableMapEvent, next: () => void): void {
    if (!this.#options.onTableLookup(event)) return;
    insideOf(ZongJi.prototype)._fetchTableInfo.call(this, event, next);
  }

  /** Files written under another binlog_checksum than the present one come as they were written. */
  _isChecksumEnabled(next: (error: Error | null, isEnabled: boolean) => void): void {
    insideOf(ZongJi.prototype)._isChecksumEnabled.call(this, (error, isEnabled) =>
      next(error, this.#options.hasChecksum ?? isEnabled),
    );
  }

  /** zongji makes its dump command right after 'ready' with the class that stands here. */
  #tap(): void {
    const { onPacket } = this.#options;
    const internals = insideOf(this);
    const Base = internals.BinlogClass;
    internals.BinlogClass = class extends Base {
      override execute(packet: DumpPacket | undefined, connection: Connection): boolean {
        if (packet === undefined) return super.execute(packet, connection);
        onPacket(packet, () => super.execute(packet, connection));
        return false;
      }
    };
  }
}

/** zongji's types leave these members out. */
function insideOf(zongji: ZongJi): ZongjiInternals {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the version is pinned, and test/source reads real binlogs through them
  return zongji as ZongJi & ZongjiInternals;
}
