import type { Socket } from 'node:net';
import { createConnection, type Connection } from 'mysql2';
import { CodedError } from '../lib/error.ts';
import { PauseLock } from '../lib/pause-lock.ts';
import { GtidSet } from '../row/gtid-set.ts';
import { FarStart } from './far-start.ts';
import { toCodedError } from './server-error.ts';
import { sendCommand } from './raw-command.ts';
import { openSourceLogin, parseSourceUrl } from './server-link.ts';

/** Where a dump begins: behind a GTID set, or at the end of a transaction. */
export type DumpStart = { readonly gtid: string } | { readonly file: string; readonly offset: number };

export interface DumpOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly flavour: 'mysql' | 'mariadb';
  readonly serverId: number;
  readonly from: DumpStart;
  /** Ends at the binlog's end instead of waiting for more. */
  readonly isBounded: boolean;
  readonly heartbeatMs: number;
  /** Takes each event, without the packet's marker byte; the bytes are a view that is overwritten by nothing. */
  readonly onEvent: (event: Buffer) => void;
  /** The server has nothing more to send: a bounded dump is done. */
  readonly onEnd: () => void;
  readonly onError: (error: Error) => void;
  /** The last offset that the dump command has room for; a test's may be smaller. */
  readonly offsetMax?: number;
}

/** A reader that is paused by its sink for a day is cut off by the server. */
const WRITE_TIMEOUT_SECONDS = 86_400;
/** The slowest link that counts as alive brings this much of an event in the time of silence. */
const PIECE_BYTES = 16_384;
const COM_BINLOG_DUMP = 0x12;
const COM_BINLOG_DUMP_GTID = 0x1e;
const BINLOG_DUMP_NON_BLOCK = 1;
const OFFSET_MAX = 2 ** 32 - 1;

/**
 * One connection that receives a binlog, over mysql2's: the session is prepared, then the dump command sent, and from then on every
 * packet is an event (MySQL internals, COM_BINLOG_DUMP and COM_BINLOG_DUMP_GTID; MariaDB takes GTIDs by @slave_connect_state).
 */
export class DumpConnection {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #options: DumpOptions;
  readonly #lock: PauseLock<string>;
  /** For a place that the command has no room for. */
  readonly #farStart: FarStart | undefined;
  #loss: CodedError | undefined;
  #packets = 0;

  constructor(options: DumpOptions) {
    this.#options = options;
    const { from, offsetMax = OFFSET_MAX } = options;
    this.#farStart = 'gtid' in from || from.offset <= offsetMax ? undefined : new FarStart(from);
    const address = parseSourceUrl(options.url);
    const { options: login, socket } = openSourceLogin(address, options.connectTimeoutMs);
    const connection = createConnection(login);
    this.#connection = connection;
    this.#socket = socket;
    this.#lock = new PauseLock({ onPause: () => connection.pause(), onResume: () => this.#goOn() });
    connection.on('error', (error: Error) => {
      this.#loss = toCodedError(error, address);
      this.#reportLoss();
    });
    connection.query(this.#preparation(), (error) => {
      if (error !== null) options.onError(toCodedError(error, address));
      else this.#dump();
    });
  }

  /**
   * A number that changes with what comes: with each byte until the dump begins, then with each event and each piece of a large one. Bytes
   * alone say little: behind a damaged length, heartbeats would count as the body of an event that never ends.
   */
  get progress(): number {
    const { bytesRead } = this.#socket;
    return this.#packets === 0 ? bytesRead : this.#packets + Math.floor(bytesRead / PIECE_BYTES);
  }

  get isPaused(): boolean {
    return this.#lock.isPaused;
  }

  /** No event comes until every reason to pause is gone again. */
  pause(reason: string): void {
    this.#lock.pause(reason);
  }

  resume(reason: string): void {
    this.#lock.resume(reason);
  }

  #goOn(): void {
    this.#connection.resume();
    this.#reportLoss();
  }

  /** What came before the connection was lost counts: MySQL closes it at once behind the end of a bounded dump. */
  #reportLoss(): void {
    if (this.#loss === undefined || this.#lock.isPaused) return;
    const loss = this.#loss;
    this.#loss = undefined;
    this.#options.onError(loss);
  }

  close(): void {
    this.#connection.destroy();
    // mysql2 only says that nothing more is sent, and a server that waits for changes does not hear it before its next heartbeat
    this.#socket.destroy();
  }

  /** What a replica tells its source about itself: that it knows checksums, how often to be told that the source is alive, GTIDs. */
  #preparation(): string {
    const { heartbeatMs, flavour, from } = this.#options;
    const nanoseconds = heartbeatMs * 1_000_000;
    const variables = [
      // Files with checksums and files without come as they were written.
      `@master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'`,
      `@master_heartbeat_period = ${nanoseconds}, @source_heartbeat_period = ${nanoseconds}`,
      `SESSION net_write_timeout = ${WRITE_TIMEOUT_SECONDS}`,
    ];
    if (flavour === 'mariadb') {
      // 4: knows GTID events. Without it the server sends statements in their place.
      variables.push('@mariadb_slave_capability = 4');
      if ('gtid' in from) variables.push(`@slave_connect_state = ${this.#connection.escape(from.gtid)}`);
    }
    return `SET ${variables.join(', ')}`;
  }

  #dump(): void {
    const { onEnd, onError } = this.#options;
    sendCommand(this.#connection, this.#request(), (packet) => {
      this.#packets += 1;
      if (packet.isError()) onError(toCodedError(packet.asError('utf8')));
      else if (packet.isEOF()) onEnd();
      else this.#take(packet.buffer.subarray(packet.offset + 1, packet.end));
      return false;
    });
  }

  #take(bytes: Buffer): void {
    const { onEvent, onError } = this.#options;
    let event: Buffer | undefined = bytes;
    try {
      if (this.#farStart !== undefined) event = this.#farStart.take(bytes);
    } catch (error) {
      onError(error instanceof CodedError ? error : new CodedError('SOURCE_UNDECODABLE', String(error), { cause: error }));
      return;
    }
    if (event !== undefined) onEvent(event);
  }

  #request(): Buffer {
    const { from, serverId, isBounded, flavour } = this.#options;
    const flags = isBounded ? BINLOG_DUMP_NON_BLOCK : 0;
    if ('gtid' in from && flavour === 'mysql') {
      // Command (1), flags (2), server id (4), file (4 + 0), offset (8), GTID set (4 + n).
      const set = GtidSet.parse(from.gtid).encode();
      const request = Buffer.alloc(23);
      request.writeUInt8(COM_BINLOG_DUMP_GTID, 0);
      request.writeUInt16LE(flags, 1);
      request.writeUInt32LE(serverId, 3);
      request.writeBigUInt64LE(4n, 11);
      request.writeUInt32LE(set.length, 19);
      return Buffer.concat([request, set]);
    }
    const { file, offset } =
      'gtid' in from ? { file: '', offset: 4 } : this.#farStart === undefined ? from : { ...from, offset: 4 };
    // Command (1), offset (4), flags (2), server id (4), file.
    const request = Buffer.alloc(11);
    request.writeUInt8(COM_BINLOG_DUMP, 0);
    request.writeUInt32LE(offset, 1);
    request.writeUInt16LE(flags, 5);
    request.writeUInt32LE(serverId, 7);
    return Buffer.concat([request, Buffer.from(file)]);
  }
}
