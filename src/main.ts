#!/usr/bin/env node
import { runCommandLine } from './cli/command-line.ts';
import { keepHeapSmall } from './lib/small-heap.ts';

keepHeapSmall();
process.exitCode = await runCommandLine(process.argv.slice(2));
