import { connect } from 'node:net';

/** Header of a packet (4), protocol (1); then the version, ended by a 0. */
const VERSION_AT = 5;

/**
 * What a server says of its version before anybody logs in, as `9.7.0` or `5.5.5-10.11.19-MariaDB`; undefined where it does not say it
 * within the time.
 */
export function readGreeting(address: {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}): Promise<string | undefined> {
  const { host, port, timeoutMs } = address;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (version: string | undefined): void => {
      socket.destroy();
      resolve(version);
    };
    let bytes = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => end(undefined));
    socket.on('error', () => end(undefined)); // it is only asked for what else is known of it
    socket.on('close', () => end(undefined));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const until = bytes.indexOf(0, VERSION_AT);
      // 10: the protocol's number; an error has another
      if (bytes.length > VERSION_AT && bytes[VERSION_AT - 1] !== 10) end(undefined);
      else if (until !== -1) end(bytes.toString('latin1', VERSION_AT, until));
    });
  });
}
