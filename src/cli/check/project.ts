import type { Configuration } from '../../config/configuration.ts';
import { checkConnectorTypes } from '../../config/connector-types.ts';
import { loadConfiguration } from '../../config/load.ts';
import { ConfigurationError, type Problem } from '../../config/problem.ts';
import { CodedError } from '../../lib/error.ts';
import { loadFunctions } from '../../flow/loader.ts';
import type { CommandContext } from '../command.ts';
import { folderOrNone } from '../project.ts';
import { sentence, type Finding } from './finding.ts';

/** What the project's files are, as far as they can be used. */
export interface ExaminedProject {
  /** Undefined when it has mistakes: then nothing that it names can be examined. */
  readonly configuration: Configuration | undefined;
  /** Functions that have code; undefined when some could not be loaded. */
  readonly functionNames: ReadonlySet<string> | undefined;
  readonly findings: readonly Finding[];
}

/** Examines the files: every function, every document, every name between them. Each error here ends with exit code 78. */
export async function examineProject(context: Pick<CommandContext, 'conf' | 'functions' | 'env'>): Promise<ExaminedProject> {
  const findings: Finding[] = [];
  const functionNames = await examineFunctions(context.functions, findings);
  const configuration = await examineConfiguration(context, functionNames, findings);
  if (configuration !== undefined) findings.push(...checkConnectorTypes(configuration).map(findingOfProblem));
  return { configuration, functionNames, findings };
}

async function examineFunctions(dir: string, findings: Finding[]): Promise<ReadonlySet<string> | undefined> {
  try {
    if ((await folderOrNone(dir)) === undefined) return new Set();
    return new Set((await loadFunctions(dir)).map(({ definition }) => definition.name));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    findings.push(...splitProblems(error.message).map(findingOfFunction));
    return undefined;
  }
}

/** The loader lists every file that it could not load, each on a line of its own that begins with two blanks and the path. */
function splitProblems(message: string): readonly string[] {
  const [head = '', ...problems] = message.split(/\n {2}(?=\S)/);
  return problems.length === 0 ? [head] : problems;
}

function findingOfFunction(problem: string): Finding {
  return { code: 'CONFIG_INVALID', severity: 'error', subject: 'functions', message: problem, remedy: '' };
}

async function examineConfiguration(
  context: Pick<CommandContext, 'conf' | 'env'>,
  functionNames: ReadonlySet<string> | undefined,
  findings: Finding[],
): Promise<Configuration | undefined> {
  try {
    return await loadConfiguration({ dir: context.conf, env: context.env, functionNames });
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
