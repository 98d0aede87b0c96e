import { originKey, problemAt, type Configuration } from './configuration.ts';
import type { Origin } from './document.ts';
import { changeFlow, describeChange, type FlowChange } from './flow-change.ts';
import type { Problem } from './problem.ts';
import type { FlowSpec } from './spec.ts';

/** A configuration with operators' changes over it; a change that does not fit is a problem, and its flow is as its file says. */
export interface ChangedConfiguration {
  readonly configuration: Configuration;
  readonly problems: readonly Problem[];
}

/** Changes of flows that are not in this configuration are left alone: other daemons on the same store may have them. */
export function applyChanges(configuration: Configuration, changes: readonly FlowChange[]): ChangedConfiguration {
  const flows = new Map<string, FlowSpec>();
  const origins = new Map<string, Origin>(configuration.origins);
  const problems: Problem[] = [];
  for (const [name, spec] of configuration.flows) {
    const document = { kistype: 'flow', name } as const;
    const own = changes.filter(({ flow }) => flow === name);
    const changed = changeFlow(spec, configuration.origins.get(originKey(document)), own);
    flows.set(name, changed.kind === 'changed' ? changed.spec : spec);
    if (changed.kind === 'unfit') {
      const message = `the change by command \`kisflow ${describeChange(changed.change)}\` does not fit any more: ${changed.reason}`;
      const remedy = `\`kisflow flow reset ${name}\` takes this flow's changes by command back`;
      problems.push(problemAt(configuration, document, { path: 'flows', message, remedy }));
    } else if (changed.origin !== undefined) origins.set(originKey(document), changed.origin);
  }
  return { configuration: { ...configuration, flows, origins }, problems };
}
