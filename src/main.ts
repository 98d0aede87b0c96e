#!/usr/bin/env node
import { runCommandLine } from './cli/command-line.ts';
import { endStreams, guardStreams } from './cli/standard-streams.ts';
import { wantsTraces } from './daemon/tracing-wish.ts';
import { keepHeapSmall } from './lib/small-heap.ts';

keepHeapSmall();
guardStreams();
await endStreams(await runCommandLine(process.argv.slice(2)));
// an export of traces that gets no answer is not waited for: all else has been closed by now
if (wantsTraces(process.env)) setTimeout(() => process.exit(), 200).unref();
