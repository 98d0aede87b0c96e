#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { runCommandLine } from './cli/command-line.ts';

// V8 lets the heap grow to several times what is alive before it collects: rows pass through here in great numbers and none stays,
// so twice as much is enough, and keeps the process small (L7).
setFlagsFromString('--heap-growing-percent=100');

process.exitCode = await runCommandLine(process.argv.slice(2));
