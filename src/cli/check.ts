import type { Configuration } from '../config/configuration.ts';
import type { SourceSpec } from '../config/spec.ts';
import { examineOperators } from '../daemon/operators.ts';
import { CodedError } from '../lib/error.ts';
import { maskPasswords } from '../lib/mask.ts';
import { readStatements } from '../store/migrate.ts';
import { exitCode, type Command, type CommandContext } from './command.ts';
import { examineChanges } from './check/changes.ts';
import { examineConnectors } from './check/connectors.ts';
import { findCopyingFlows } from './check/copy-columns.ts';
import { examineAddresses, examineApi, examineFiles } from './check/exposure.ts';
import type { Finding } from './check/finding.ts';
import { examineFlows } from './check/flows.ts';
import { countFindings, formatFindings } from './check/format.ts';
import { formatGrants, reportGrants } from './check/print-grants.ts';
import { examineProject, findingOfProblem } from './check/project.ts';
import { examineSource } from './check/source.ts';
import { examineStore } from './check/store.ts';
import { isRun, readKnownFields } from './known-fields.ts';
import { folderOrNone } from './project.ts';

/**
 * Examines all that can be examined before anything runs, and never stops at the first finding: a source that does not answer
 * hides nothing of the store. Nothing is changed anywhere.
 */
export const check: Command = {
  usage: '[--grants]',
  options: { grants: { type: 'boolean', default: false } },
  async run(context) {
    const project = await examineProject(context);
    if (context.options['grants'] === true && project.configuration !== undefined)
      return printGrants(context, project.configuration);
    const findings = [...project.findings];
    let isConfigured = countFindings(findings).errors === 0;
    if (project.configuration === undefined) {
      findings.push(notExamined('configuration', 'Sources and store are examined once the configuration has no mistakes.'));
    } else {
      const { functionNames } = project;
      const { configuration, findings: ofChanges } = await examineChanges(context, {
        configuration: project.configuration,
        functionNames,
      });
      isConfigured &&= ofChanges.length === 0;
      findings.push(...ofChanges);
      findings.push(...(await examineServers({ context, configuration, functionNames })));
      findings.push(
        ...(await examineConnectors(project.connectors)),
        ...examineAddresses(configuration),
        ...examineApi(configuration),
      );
    }
    findings.push(...(await examineFiles(project.configuration, context)));
    const counts = countFindings(findings);
    // a value in the wrong place is quoted, and may be an address
    const shown = findings.map((finding) => ({ ...finding, message: maskPasswords(finding.message) }));
    context.print(context.json ? JSON.stringify({ findings: shown, ...counts }) : formatFindings(shown));
    if (!isConfigured) return exitCode.configuration;
    return counts.errors > 0 ? exitCode.failed : exitCode.done;
  },
};

/** Only that: the GRANT statements of every account. Exit code 1 where an account lacks one. */
async function printGrants(context: CommandContext, configuration: Configuration): Promise<number> {
  const dir = await folderOrNone(context.migrations);
  const migrations = dir === undefined ? [] : await readStatements(dir);
  const accounts = await reportGrants({ configuration, migrations }, context.stop);
  context.print(context.json ? JSON.stringify({ accounts }) : formatGrants(accounts));
  return accounts.some(({ lacks }) => lacks.length > 0) ? exitCode.failed : exitCode.done;
}

interface ServerScope {
  readonly context: CommandContext;
  readonly configuration: Configuration;
  /** Undefined when some functions could not be loaded: then nobody knows which Save functions have no code. */
  readonly functionNames: ReadonlySet<string> | undefined;
}

async function examineServers({ context, configuration, functionNames }: ServerScope): Promise<readonly Finding[]> {
  context.progress('examining the store');
  const store = await examineStore(configuration, context.migrations);
  const copying = functionNames === undefined ? [] : findCopyingFlows(configuration, functionNames);
  const columnsFor = new Set(copying.map(({ flow }) => flow.flow_name));
  const enabled = [...configuration.flows.values()].filter((flow) => flow.status === 1 && flow.source !== undefined);
  const flowsOf = (source: SourceSpec) => enabled.filter((flow) => flow.source?.name === source.name);
  const used = [...configuration.sources.values()].filter((source) => flowsOf(source).length > 0);
  const unused = [...configuration.sources.values()].filter((source) => flowsOf(source).length === 0);
  context.progress(`examining ${used.map(({ name }) => `source ${name}`).join(', ') || 'no source'}`);
  const sources = await Promise.all(
    used.map((spec) =>
      examineSource({ configuration, spec, flows: flowsOf(spec), columnsFor, functionNames, store, stop: context.stop }),
    ),
  );
  return [
    ...(enabled.length === 0 ? [noFlow(context.conf)] : []),
    ...sources.flatMap(({ findings }) => findings),
    ...unused.map(({ name }) => notExamined(`source ${name}`, `No enabled flow reads source ${name}.`)),
    ...store.findings,
    ...examineFlows({ configuration, store, sources, copying }),
    ...(await examineFields({ context, configuration, functionNames })),
  ];
}

/** Operators against the columns that source and store have. A server that does not answer is a finding of its own. */
async function examineFields({ context, configuration, functionNames }: ServerScope): Promise<readonly Finding[]> {
  try {
    const known = await readKnownFields(configuration, context.stop);
    return examineOperators(configuration, { known, functionNames, runs: isRun }).map(findingOfProblem);
  } catch (error) {
    if (error instanceof CodedError) return [];
    throw error;
  }
}

function notExamined(subject: string, message: string): Finding {
  return { code: 'NOT_EXAMINED', severity: 'info', subject, message, remedy: '' };
}

function noFlow(conf: string): Finding {
  const message = `There is no flow in ${conf} that a daemon could run: none is enabled and has a source.`;
  const remedy = 'kistype: flow\nstatus: 1\nsource: {name: main, tables: [db.table], start: latest}';
  return { code: 'FLOW_NONE', severity: 'warning', subject: 'configuration', message, remedy };
}
