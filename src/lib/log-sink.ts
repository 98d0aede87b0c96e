import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

export interface LogSinkOptions {
  readonly fd: number;
  /** The same place as a stream: written to where that does not hold the process (pipes, sockets, terminals). */
  readonly stream: Writable;
  /** So many bytes wait for a reader that does not read; what comes then is lost. */
  readonly waitingBytesMax?: number;
  /** How often a place that takes nothing is tried again while nothing is logged. */
  readonly retryMs?: number;
}

/**
 * Where log lines go: never an error, never a wait. A full disk, a reader that has gone, and one that does not read any more are
 * lived through: lines that cannot be written are lost and counted, and a line says how many as soon as one can be written again.
 *
 * Files are written to at once, so that a crash loses nothing. Pipes and sockets take what they have room for, and the rest waits.
 */
export class LogSink {
  readonly #options: LogSinkOptions;
  readonly #waitingBytesMax: number;
  readonly #isFile: boolean;
  #lost = 0;
  #reason = '';
  /** A line was cut by a disk that became full. */
  #isCut = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: LogSinkOptions) {
    this.#options = options;
    this.#waitingBytesMax = options.waitingBytesMax ?? 4 * 1024 * 1024;
    this.#isFile = isFile(options.fd);
  }

  /** Takes a line with its line feed. */
  write(line: string): void {
    this.#tell();
    if (this.#lost > 0 || !this.#put(line, 1)) this.#lose(1);
  }

  /** Says what was lost, where that can be said now. */
  #tell(): void {
    const lost = this.#lost;
    if (lost === 0) return;
    const fields = { level: 40, time: new Date().toISOString(), lost, reason: this.#reason, msg: 'log lines were lost' };
    this.#lost = 0;
    if (this.#put(`${this.#isCut ? '\n' : ''}${JSON.stringify(fields)}\n`, lost)) this.#isCut = false;
    else this.#lose(lost);
  }

  /** False where it cannot be written. `lines`: how many are lost with it. */
  #put(text: string, lines: number): boolean {
    return this.#isFile ? this.#putFile(Buffer.from(text)) : this.#putStream(text, lines);
  }

  #putFile(bytes: Buffer): boolean {
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(this.#options.fd, bytes, done);
      return true;
    } catch (error) {
      this.#isCut ||= done > 0;
      this.#reason = reasonOf(error);
      return false;
    }
  }

  #putStream(text: string, lines: number): boolean {
    const { stream } = this.#options;
    if (stream.writableLength > this.#waitingBytesMax) {
      this.#reason = 'nobody reads';
      return false;
    }
    stream.write(text, (error) => {
      if (error === null || error === undefined) return;
      this.#reason = reasonOf(error);
      this.#lose(lines);
    });
    return true;
  }

  #lose(lines: number): void {
    this.#lost += lines;
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#tell();
    }, this.#options.retryMs ?? 1000);
    this.#retry.unref();
  }
}

function isFile(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() || (stat.isCharacterDevice() && !process.stderr.isTTY);
  } catch {
    return false; // closed: the stream says so with each line
  }
}

function reasonOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : String(error);
}

let made: LogSink | undefined;

/** The one for the process's stderr. */
export function stderrSink(): LogSink {
  if (made !== undefined) return made;
  process.stderr.on('error', () => {}); // the callbacks of the lines have it
  made = new LogSink({ fd: 2, stream: process.stderr });
  return made;
}
