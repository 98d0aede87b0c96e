import type { Configuration } from '../../config/configuration.ts';
import { checkConnectorTypes } from '../../config/connector-types.ts';
import { loadConfiguration } from '../../config/load.ts';
import { ConfigurationError, type Problem } from '../../config/problem.ts';
import type { Connector } from '../../connector/contract.ts';
import type { ConnectorKinds } from '../../connector/registry.ts';
import { loadKinds } from '../../daemon/flow-options.ts';
import { examineOperators } from '../../daemon/operators.ts';
import { CodedError } from '../../lib/error.ts';
import { loadFunctions } from '../../flow/loader.ts';
import type { CommandContext } from '../command.ts';
import { folderOrNone } from '../project.ts';
import { makeConnectors } from './connectors.ts';
import { sentence, type Finding } from './finding.ts';

/** What the project's files are, as far as they can be used. */
export interface ExaminedProject {
  /** Undefined when it has mistakes: then nothing that it names can be examined. */
  readonly configuration: Configuration | undefined;
  /** Functions that have code; undefined when some could not be loaded. */
  readonly functionNames: ReadonlySet<string> | undefined;
  /** Connectors that enabled flows name, not yet open; without those of mysql and tidb. */
  readonly connectors: readonly Connector[];
  readonly findings: readonly Finding[];
}

/** Examines the files: every function, every kind of connector, every document, every name between them. Each error here ends with exit code 78. */
export async function examineProject(
  context: Pick<CommandContext, 'conf' | 'functions' | 'connectors' | 'env'>,
): Promise<ExaminedProject> {
  const findings: Finding[] = [];
  const functionNames = await examineFunctions(context.functions, findings);
  const kinds = await examineKinds(context.connectors, findings);
  const configuration = await examineConfiguration(context, functionNames, findings);
  if (configuration === undefined || kinds === undefined) return { configuration, functionNames, connectors: [], findings };
  findings.push(...checkConnectorTypes(configuration, kinds.keys()).map(findingOfProblem));
  const made = makeConnectors(configuration, kinds);
  findings.push(...made.findings);
  return { configuration, functionNames, connectors: made.connectors, findings };
}

async function examineKinds(dir: string, findings: Finding[]): Promise<ConnectorKinds | undefined> {
  try {
    return await loadKinds(await folderOrNone(dir));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    findings.push(...splitProblems(error.message).map((problem) => findingOfCode('connectors', problem)));
    return undefined;
  }
}

async function examineFunctions(dir: string, findings: Finding[]): Promise<ReadonlySet<string> | undefined> {
  try {
    if ((await folderOrNone(dir)) === undefined) return new Set();
    return new Set((await loadFunctions(dir)).map(({ definition }) => definition.name));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    findings.push(...splitProblems(error.message).map((problem) => findingOfCode('functions', problem)));
    return undefined;
  }
}

/** The loader lists every file that it could not load, each on a line of its own that begins with two blanks and the path. */
function splitProblems(message: string): readonly string[] {
  const [head = '', ...problems] = message.split(/\n {2}(?=\S)/);
  return problems.length === 0 ? [head] : problems;
}

function findingOfCode(subject: 'functions' | 'connectors', message: string): Finding {
  return { code: 'CONFIG_INVALID', severity: 'error', subject, message, remedy: '' };
}

async function examineConfiguration(
  context: Pick<CommandContext, 'conf' | 'env'>,
  functionNames: ReadonlySet<string> | undefined,
  findings: Finding[],
): Promise<Configuration | undefined> {
  try {
    const examine = (configuration: Configuration) => examineOperators(configuration, { functionNames });
    return await loadConfiguration({ dir: context.conf, env: context.env, functionNames, examine });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.push(...error.problems.map(findingOfProblem));
    return undefined;
  }
}

/** A mistake of the configuration as a finding. */
export function findingOfProblem(problem: Problem): Finding {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return {
    code: problem.code,
    severity: 'error',
    subject: 'configuration',
    message: `${place}: ${path}${problem.message}`,
    remedy: problem.remedy === '' ? '' : sentence(problem.remedy),
  };
}
