import { EventEmitter } from 'node:events';
import type { Connection } from 'mysql2';

/** A packet of mysql2, of whose insides its types do not speak. */
export interface Packet {
  readonly buffer: Buffer;
  /** Of the first byte behind the packet's header. */
  readonly offset: number;
  readonly end: number;
  isError(): boolean;
  isEOF(): boolean;
  asError(encoding: string): Error;
}

/**
 * Sends a command of the protocol through a connection of mysql2's, in its turn. `onPacket` gets every packet of the answer, until it gives
 * true: that was the last. The connection's loss is told to `onLoss`, or else to the connection's own listeners.
 */
export function sendCommand(
  connection: Connection,
  body: Buffer,
  onPacket: (packet: Packet) => boolean,
  onLoss?: (error: Error) => void,
): void {
  insideOf(connection).addCommand(new RawCommand(body, onPacket, onLoss));
}

interface OutgoingPacket {
  readonly buffer: Buffer;
  writeHeader(sequenceId: number): void;
  length(): number;
}

interface ConnectionInside {
  addCommand(command: RawCommand): void;
  writePacket(packet: OutgoingPacket): void;
  _resetSequenceId(): void;
}

/** mysql2's types leave these members out; test/source reads real binlogs through them. */
function insideOf(connection: Connection): ConnectionInside {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return connection as unknown as ConnectionInside;
}

/** A command as mysql2 runs them: it gets every packet until it says that it is done. */
class RawCommand extends EventEmitter {
  readonly #request: Buffer;
  readonly #onPacket: (packet: Packet) => boolean;
  /** What mysql2 calls with the connection's loss, where there is one. */
  readonly onResult: ((error: Error) => void) | undefined;
  #isSent = false;

  constructor(request: Buffer, onPacket: (packet: Packet) => boolean, onLoss: ((error: Error) => void) | undefined) {
    super();
    this.#request = request;
    this.#onPacket = onPacket;
    this.onResult = onLoss;
  }

  execute(packet: Packet | null | undefined, connection: ConnectionInside): boolean {
    if (this.#isSent) return packet ? this.#onPacket(packet) : false;
    this.#isSent = true;
    connection._resetSequenceId();
    connection.writePacket(outgoing(this.#request));
    return false;
  }
}

function outgoing(body: Buffer): OutgoingPacket {
  const buffer = Buffer.concat([Buffer.alloc(4), body]);
  return {
    buffer,
    length: () => buffer.length,
    writeHeader(sequenceId) {
      buffer.writeUIntLE(body.length, 0, 3);
      buffer.writeUInt8(sequenceId, 3);
    },
  };
}
