import type { Writable } from 'node:stream';
import { sleep } from '../lib/abort.ts';
import { exitCode } from './command.ts';

/** How long a reader of stderr may take to read the last lines. */
const lastWordsMs = 1000;

let failure: NodeJS.ErrnoException | undefined;

/** A reader that has seen enough (`kisflow status | head -1`) is no failure, and neither closed stream ends the process. */
export function guardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || failure !== undefined) return;
    failure = error;
    process.stderr.write(`kisflow: what it prints cannot be written: ${error.message}\n`);
  });
  process.stderr.on('error', () => {}); // nowhere to say it
}

/**
 * Ends the process with this code, and waits before for what was printed to be read: as long as it takes of stdout, a second of stderr, whose reader may
 * have stopped reading.
 */
export async function endStreams(code: number): Promise<void> {
  await written(process.stdout);
  process.exitCode = failure === undefined ? code : Math.max(code, exitCode.failed);
  const over = new AbortController();
  await Promise.race([written(process.stderr), sleep(lastWordsMs, over.signal)]);
  over.abort();
  // what still waits has been told to end: a connection that is being made, an export of traces, a module of the project that never finishes
  process.exit();
}

function written(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
