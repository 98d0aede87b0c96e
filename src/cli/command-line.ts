import { parseArgs } from 'node:util';
import { CodedError, describeError } from '../lib/error.ts';
import { errorCodes } from '../lib/error-codes.ts';
import { maskPasswords } from '../lib/mask.ts';
import { visibleLines } from '../lib/visible.ts';
import { nearest } from '../config/nearest.ts';
import { exitCode, UsageError, type Command, type CommandContext, type CommandOptions, type NamedCommand } from './command.ts';
import { commands } from './commands.ts';
import { ProgressLine } from './progress-line.ts';
import { formatTable } from './table.ts';

const commonOptions = {
  conf: { type: 'string', default: 'conf' },
  functions: { type: 'string', default: 'functions' },
  connectors: { type: 'string', default: 'connectors' },
  migrations: { type: 'string', default: 'migrations' },
  'log-level': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies CommandOptions;

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Runs one command line; resolves with the exit code. Errors are printed here and nowhere else. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(overview());
    return name === undefined ? exitCode.usage : exitCode.done;
  }
  const named = commands.find((candidate) => candidate.name === name);
  if (named === undefined) {
    const near = nearest(
      name,
      commands.map((candidate) => candidate.name),
    );
    complain(
      `kisflow: unknown command "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}. \`kisflow help\` lists them.`,
    );
    return exitCode.usage;
  }
  const called: CalledCommand = { ...named, command: await named.load() };
  const parsed = parse(called.command, rest);
  if (typeof parsed === 'string') {
    return complainOfUsage(called, parsed);
  }
  if (parsed.values.help === true) {
    print(`${named.summary}\n\nusage: kisflow ${usageOf(called)}`);
    return exitCode.done;
  }
  return runCommand(called, parsed);
}

interface CalledCommand extends NamedCommand {
  readonly command: Command;
}

interface ParsedLine {
  readonly values: CommandContext['options'];
  readonly positionals: readonly string[];
}

/** The parsed line, or what is wrong with it. */
function parse(command: Command, args: readonly string[]): ParsedLine | string {
  try {
    const options: CommandOptions = { ...commonOptions, ...command.options };
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    const { positionals } = parsed;
    const values: Record<string, CommandContext['options'][string]> = {};
    for (const [name, value] of Object.entries(parsed.values)) values[name] = Array.isArray(value) ? value.map(String) : value;
    const [least, most] = command.positionals ?? [0, 0];
    const level = values['log-level'];
    if (level !== undefined && !logLevels.includes(String(level))) return `--log-level is one of ${logLevels.join(', ')}`;
    if (values.help !== true && positionals.length < least) return 'an argument is missing';
    if (positionals.length > most) return `one argument too many: ${positionals[most] ?? ''}`;
    return { values, positionals };
  } catch (error) {
    return describeError(error);
  }
}

async function runCommand(called: CalledCommand, line: ParsedLine): Promise<number> {
  const stop = new AbortController();
  const abort = new AbortController();
  const onSignal = (): void => (stop.signal.aborted ? abort.abort() : stop.abort());
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const { command } = called;
  const { makeLogger } = await import('../lib/default-logger.ts');
  const logger = makeLogger(String(line.values['log-level'] ?? command.logLevel ?? 'warn'));
  const { stderr } = process;
  const progressLine = new ProgressLine({
    isTerminal: stderr.isTTY,
    columns: () => stderr.columns,
    write: (text) => stderr.write(text),
  });
  const context: CommandContext = {
    conf: String(line.values.conf),
    functions: String(line.values.functions),
    connectors: String(line.values.connectors),
    migrations: String(line.values.migrations),
    json: line.values.json === true,
    env: process.env,
    logger,
    options: line.values,
    positionals: line.positionals,
    print,
    progress: (text) => {
      if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
    },
    progressLine,
    stop: stop.signal,
    abort: abort.signal,
  };
  try {
    return await command.run(context);
  } catch (error) {
    progressLine.end();
    if (error instanceof UsageError) return complainOfUsage(called, error.message);
    return reportError(error, context.json);
  } finally {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  }
}

function complainOfUsage(called: CalledCommand, text: string): number {
  complain(`kisflow ${called.name}: ${text}\n\nusage: kisflow ${usageOf(called)}`);
  return exitCode.usage;
}

/** Prints an error with its code and what mends it; gives the exit code. */
function reportError(error: unknown, json: boolean): number {
  const code = error instanceof CodedError ? error.code : 'INTERNAL';
  if (json)
    print(JSON.stringify({ error: { code, message: maskPasswords(error instanceof Error ? error.message : String(error)) } }));
  const text = error instanceof CodedError ? describeError(error) : (error instanceof Error && error.stack) || describeError(error);
  complain(`kisflow: ${text}`);
  if (code !== 'CONFIG_INVALID') complain(`  ${errorCodes[code].remedy}`);
  return code === 'CONFIG_INVALID' ? exitCode.configuration : exitCode.failed;
}

function overview(): string {
  const rows = commands.map((command) => [`kisflow ${command.name}`, command.summary]);
  return [
    'kisflow keeps computed business fields right: it reads a MySQL binlog, runs flows of functions over the changes,',
    'and writes the results into a MySQL store, each effect exactly once.',
    '',
    formatTable([{ title: 'command' }, { title: 'what it does' }], rows),
    '',
    'options of every command: [--conf DIR] [--functions DIR] [--connectors DIR] [--migrations DIR] [--log-level LEVEL] [--json] [--help]',
    'exit codes: 0 done, 1 failed, 2 usage, 78 configuration',
  ].join('\n');
}

function usageOf({ name, command }: CalledCommand): string {
  const common = '[--conf DIR] [--functions DIR] [--connectors DIR] [--log-level L] [--json]';
  return `${name}${command.usage === '' ? '' : ` ${command.usage}`} ${common}`;
}

function print(text: string): void {
  process.stdout.write(`${visibleLines(text)}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${visibleLines(maskPasswords(text))}\n`);
}
