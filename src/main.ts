#!/usr/bin/env node
import { runCommandLine } from './cli/command-line.ts';
import { endStreams, guardStreams } from './cli/standard-streams.ts';

guardStreams();
await endStreams(await runCommandLine(process.argv.slice(2)));
