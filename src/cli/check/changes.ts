import type { Configuration } from '../../config/configuration.ts';
import type { FlowChange } from '../../config/flow-change.ts';
import { loadConfiguration } from '../../config/load.ts';
import { ConfigurationError } from '../../config/problem.ts';
import { readFlowChanges } from '../../daemon/flow-change-record.ts';
import { CodedError } from '../../lib/error.ts';
import { connectStore } from '../../store/connection.ts';
import { parseStoreUrl } from '../../store/url.ts';
import type { CommandContext } from '../command.ts';
import { storeDeadlines } from '../existing-store.ts';
import type { Finding } from './finding.ts';
import { findingOfProblem } from './project.ts';

/** The configuration as a start would take it: with operators' changes over it. */
export interface ChangedProject {
  readonly configuration: Configuration;
  readonly findings: readonly Finding[];
}

/** Examines the changes by command that the store keeps. A store that does not answer has none here: examining it says so. */
export async function examineChanges(
  context: Pick<CommandContext, 'conf' | 'env'>,
  project: { readonly configuration: Configuration; readonly functionNames: ReadonlySet<string> | undefined },
): Promise<ChangedProject> {
  const { configuration, functionNames } = project;
  const changes = await readChanges(configuration);
  if (changes.length === 0) return { configuration, findings: [] };
  try {
    return {
      configuration: await loadConfiguration({ dir: context.conf, env: context.env, functionNames, changes }),
      findings: [],
    };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return { configuration, findings: error.problems.map(findingOfProblem) };
  }
}

async function readChanges(configuration: Configuration): Promise<readonly FlowChange[]> {
  const url = configuration.global.store?.url;
  if (url === undefined || url === '') return [];
  try {
    const connection = await connectStore({ address: parseStoreUrl(url), ...storeDeadlines, hasAutocommit: true });
    try {
      return (await readFlowChanges(connection)).map(({ change }) => change);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof CodedError) return [];
    throw error;
  }
}
