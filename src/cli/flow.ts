import type { ChainPlace, FlowChange } from '../config/flow-change.ts';
import { nearest } from '../config/nearest.ts';
import { CodedError } from '../lib/error.ts';
import { exitCode, type Command, type CommandContext } from './command.ts';
import { keepChange, type Notice } from './flow/keep-change.ts';
import { planChange, planReset } from './flow/plan-change.ts';
import { formatShownFlow, readShownFlow } from './flow/show.ts';

/** What can be done to a flow, and which arguments it takes behind the flow's name. */
const actions = {
  'add-function': { argument: 'FNAME', run: addFunction },
  'remove-function': { argument: 'FNAME', run: removeFunction },
  'set-status': { argument: '0 or 1', run: setStatus },
  show: { argument: undefined, run: show },
  reset: { argument: undefined, run: reset },
} as const;

/** Changes a flow by command: kept in the store, over the configuration's files, and taken over by running daemons. */
export const flow: Command = {
  usage:
    'add-function FLOW FNAME [--before F | --after F] [--param k=v ...] | remove-function FLOW FNAME | set-status FLOW 0|1 | show FLOW | reset FLOW',
  positionals: [2, 3],
  options: {
    before: { type: 'string' },
    after: { type: 'string' },
    param: { type: 'string', multiple: true },
  },
  async run(context) {
    const [word = '', name = '', argument] = context.positionals;
    const action = Object.entries(actions).find(([known]) => known === word)?.[1];
    if (action === undefined) {
      const near = nearest(word, Object.keys(actions));
      const remedy = near === undefined ? `write one of ${Object.keys(actions).join(', ')}` : `did you mean "${near}"?`;
      throw invalid(`there is no \`flow ${word}\`; ${remedy}`);
    }
    const isGiven = argument !== undefined;
    if (isGiven !== (action.argument !== undefined)) {
      throw invalid(
        isGiven ? `\`flow ${word}\` takes no ${argument}` : `\`flow ${word} ${name}\` takes one more argument: ${action.argument}`,
      );
    }
    if (word !== 'add-function' && ['before', 'after', 'param'].some((option) => context.options[option] !== undefined)) {
      throw invalid(`--before, --after and --param belong to \`flow add-function\``);
    }
    return action.run(context, name, argument ?? '');
  },
};

async function addFunction(context: CommandContext, name: string, fname: string): Promise<number> {
  const change: FlowChange = { kind: 'add-function', flow: name, fname, place: readPlace(context), params: readParams(context) };
  return keep(context, change, `The function ${fname} is added to flow ${name}.`);
}

async function removeFunction(context: CommandContext, name: string, fname: string): Promise<number> {
  return keep(context, { kind: 'remove-function', flow: name, fname }, `The function ${fname} is removed from flow ${name}.`);
}

async function setStatus(context: CommandContext, name: string, text: string): Promise<number> {
  if (text !== '0' && text !== '1') throw invalid(`the status of a flow is 0 or 1, not "${text}"`);
  return keep(context, { kind: 'set-status', flow: name, status: text === '1' ? 1 : 0 }, `Flow ${name} has status ${text}.`);
}

async function reset(context: CommandContext, name: string): Promise<number> {
  const notice = await keepChange(context, { flow: name, plan: (stored) => planReset(stored, name), isReset: true });
  return report(context, notice, `Flow ${name} is as its file says.`);
}

async function show(context: CommandContext, name: string): Promise<number> {
  const shown = await readShownFlow(context, name);
  context.print(context.json ? JSON.stringify(shown) : formatShownFlow(shown));
  return shown.unfit === null ? exitCode.done : exitCode.configuration;
}

async function keep(context: CommandContext, change: FlowChange, sentence: string): Promise<number> {
  const notice = await keepChange(context, { flow: change.flow, plan: (stored) => planChange(stored, change), isReset: false });
  return report(context, notice, sentence);
}

/** Exit 1 when a running daemon refuses what was kept: its files are others than this command's. */
function report(context: CommandContext, notice: Notice, sentence: string): number {
  const lines = [sentence];
  if (notice.length === 0) lines.push('No daemon runs now: it takes effect when one starts.');
  for (const { holder, hasSeen, refused } of notice) {
    const daemon = holder.replace(/:[0-9a-f]{8}$/, '');
    if (!hasSeen) lines.push(`The daemon ${daemon} has not seen it yet; \`kisflow status\` shows what it makes of it.`);
    else if (refused === null) lines.push(`The daemon ${daemon} has taken it over.`);
    else lines.push(`The daemon ${daemon} refuses it and goes on as before: ${refused.code}: ${refused.message}`);
  }
  context.print(context.json ? JSON.stringify({ message: sentence, daemons: notice }) : lines.join('\n'));
  return notice.some(({ hasSeen, refused }) => hasSeen && refused !== null) ? exitCode.failed : exitCode.done;
}

function readPlace(context: CommandContext): ChainPlace {
  const { before, after } = context.options;
  if (before !== undefined && after !== undefined) throw invalid('write --before or --after, not both');
  if (typeof before === 'string') return { kind: 'before', fname: before };
  return typeof after === 'string' ? { kind: 'after', fname: after } : { kind: 'end' };
}

function readParams(context: CommandContext): Readonly<Record<string, string>> {
  const written = context.options['param'];
  const pairs = Array.isArray(written) ? written : [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=([^]*)$/.exec(pair) ?? [];
      if (key === undefined || value === undefined) throw invalid(`--param ${pair} is no parameter; write --param key=value`);
      return [key, value];
    }),
  );
}

function invalid(message: string): CodedError {
  return new CodedError('CONFIG_INVALID', `${message}.`);
}
