import { ARTIFICIAL_FLAG, offsetBehind, type EventHeader } from '../binlog/event-header.ts';
import type { BinlogPlace, RowsPlace } from './table-definitions.ts';

/** Where a stream of events stands. */
export class PlaceTracker {
  #file = '';
  #offset = 0;
  #eventStart = 0;
  #transactionStart = 0;

  get file(): string {
    return this.#file;
  }

  /** Behind the event that is being read. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the event that is being read begins. */
  get event(): BinlogPlace {
    return { file: this.#file, offset: this.#eventStart };
  }

  /** The same, with its transaction. */
  get rows(): RowsPlace {
    return { ...this.event, transaction: { file: this.#file, offset: this.#transactionStart } };
  }

  /** The event that is being read begins a transaction. */
  beginTransaction(): void {
    this.#transactionStart = this.#eventStart;
  }

  /** Moves behind an event. */
  advance(header: EventHeader): void {
    if ((header.flags & ARTIFICIAL_FLAG) !== 0) return;
    const before = this.#offset;
    this.#offset = offsetBehind(before, header);
    // A dump by GTIDs leaves transactions out: the event need not begin where the last one ended.
    this.#eventStart = header.nextPosition === 0 ? before : this.#offset - header.size;
  }

  /** The stream goes on there. */
  rotate({ file, offset }: BinlogPlace): void {
    this.#file = file;
    this.#offset = this.#eventStart = offset;
  }

  /** Nothing lies between here and there. */
  moveTo({ file, offset }: BinlogPlace): void {
    this.#file = file;
    this.#offset = offset;
  }

  /** Where the event begins, for messages. */
  get text(): string {
    return `${this.#file}:${this.#eventStart}`;
  }
}
