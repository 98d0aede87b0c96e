import { relative, resolve, sep } from 'node:path';
import { exportFlow, writeExport } from '../config/export.ts';
import { loadConfiguration } from '../config/load.ts';
import { CodedError } from '../lib/error.ts';
import { exitCode, type Command } from './command.ts';
import { unknownName } from '../config/unknown-name.ts';

/** A flow's configuration as files of their own, which load again to the same flow. */
export const exportCommand: Command = {
  usage: 'FLOW --to DIR',
  positionals: [1, 1],
  options: { to: { type: 'string', default: 'export' } },
  async run(context) {
    const [flow = ''] = context.positionals;
    const dir = String(context.options.to);
    refuseOwnFolder(context.conf, dir);
    const configuration = await loadConfiguration({ dir: context.conf, env: context.env });
    const exported = exportFlow(configuration, flow);
    if (exported === undefined) throw unknownName('flow', flow, configuration.flows.keys());
    await writeExport(exported, dir);
    const files = exported.files.map(({ name }) => `${dir}/${name}`);
    const { variables } = exported;
    if (context.json) context.print(JSON.stringify({ flow, files, variables }));
    else context.print([...files, ...variables.map((name) => `set ${name} where it is loaded: it stands for a secret`)].join('\n'));
    return exitCode.done;
  },
};

/** Beside the files it was made from, every document would be there twice. */
function refuseOwnFolder(conf: string, dir: string): void {
  const path = relative(resolve(conf), resolve(dir));
  if (path === '..' || path.startsWith(`..${sep}`)) return;
  throw new CodedError(
    'CONFIG_INVALID',
    `${dir} is in the configuration directory ${conf}: every document would be there twice. Name another folder with --to.`,
  );
}
