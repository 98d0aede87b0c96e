import { closeSync, openSync } from 'node:fs';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { LogSink } from '../../src/lib/log-sink.ts';
import { waitFor } from '../support/wait-for.ts';

/** A pipe whose reader can be made to fail, or to stand still. */
function makePipe() {
  const pipe = { lines: [] as string[], error: undefined as NodeJS.ErrnoException | undefined, isStanding: false };
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    decodeStrings: false,
    autoDestroy: false,
    write(chunk: string, _encoding, done) {
      if (pipe.error !== undefined) return done(pipe.error);
      const take = (): void => {
        pipe.lines.push(...chunk.trimEnd().split('\n'));
        done();
      };
      if (pipe.isStanding) waiting.push(take);
      else take();
    },
  });
  stream.on('error', () => {});
  const goOn = (): void => {
    pipe.isStanding = false;
    for (const take of waiting.splice(0)) take();
  };
  return { pipe, stream, goOn };
}

describe('the log', () => {
  test('L12 a reader that stands still costs lines and never a wait, and how many is said when it reads again', async () => {
    const { pipe, stream, goOn } = makePipe();
    // an fd that is no file, so that the stream is used
    const sink = new LogSink({ fd: -1, stream, waitingBytesMax: 1000, retryMs: 20 });
    pipe.isStanding = true;
    for (let i = 0; i < 100; i += 1) sink.write(`${i} ${'x'.repeat(98)}\n`);
    expect(stream.writableLength).toBeLessThan(1200);
    goOn();
    const told = await waitFor(() => pipe.lines.find((line) => line.includes('lost')));
    const [, lost] = /"lost":(\d+),"reason":"nobody reads"/.exec(told) ?? [];
    expect(Number(lost) + pipe.lines.length - 1).toBe(100);
    sink.write('after\n');
    expect(pipe.lines.at(-1)).toBe('after');
  });

  test('L12 a place without room costs lines and no error, on a disk too', () => {
    const fd = openSync('/dev/full', 'w');
    const sink = new LogSink({ fd, stream: makePipe().stream, retryMs: 10 });
    for (let i = 0; i < 10; i += 1) sink.write(`${i}\n`);
    closeSync(fd);
  });
});
