import { problemAt, type Configuration } from './configuration.ts';
import { didYouMean } from './nearest.ts';
import type { Problem } from './problem.ts';
import type { ConnSpec } from './spec.ts';

/** Types that can be opened. */
const connectorTypes = ['mysql', 'tidb', 'redis', 'memory'] as const;
/** KisFlow's other types: known, not built yet. */
const plannedConnectorTypes = ['kafka', 'es'] as const;

const saveModes: readonly string[] = ['upsert', 'insert', 'update'];

/**
 * Whether each connector that an enabled flow uses can be opened. Apart from loading: a configuration with `type: kafka` loads,
 * and is refused only where it would be opened. `extraTypes` are plug-ins' own.
 */
export function checkConnectorTypes(configuration: Configuration, extraTypes: Iterable<string> = []): readonly Problem[] {
  const known = new Set<string>([...connectorTypes, ...extraTypes]);
  return [...configuration.conns.values()]
    .filter((conn) => isUsed(configuration, conn.cname))
    .flatMap((conn) =>
      problemsOf(configuration, conn, known).map((problem) =>
        problemAt(configuration, { kistype: 'conn', name: conn.cname }, problem),
      ),
    );
}

function problemsOf(
  configuration: Configuration,
  conn: ConnSpec,
  known: ReadonlySet<string>,
): readonly Pick<Problem, 'path' | 'message' | 'remedy'>[] {
  const types = [...known].join(', ');
  if (!known.has(conn.type)) {
    const isPlanned = plannedConnectorTypes.some((type) => type === conn.type);
    if (isPlanned)
      return [{ path: 'type', message: `connectors of type ${conn.type} are not built yet`, remedy: `use one of ${types}` }];
    const remedy = didYouMean(conn.type, [...known, ...plannedConnectorTypes], `write one of ${types}`);
    return [{ path: 'type', message: `"${conn.type}" is no connector type`, remedy }];
  }
  if (conn.type === 'redis' && conn.addrs === '' && configuration.global.redis?.url === undefined) {
    const remedy = 'write redis://user:pass@host:6379/0, or redis: {url: …} in the global document';
    return [{ path: 'addrs', message: 'missing', remedy }];
  }
  return conn.type === 'mysql' || conn.type === 'tidb' ? mysqlProblems(conn) : [];
}

function mysqlProblems(conn: ConnSpec): readonly Pick<Problem, 'path' | 'message' | 'remedy'>[] {
  const problems: Pick<Problem, 'path' | 'message' | 'remedy'>[] = [];
  const isUrl = URL.canParse(conn.addrs) && new URL(conn.addrs).protocol === 'mysql:';
  if (conn.addrs !== 'store' && !isUrl) {
    problems.push({
      path: 'addrs',
      message: 'is neither the store nor an address',
      remedy: 'write store, or mysql://user:pass@host:3306/database',
    });
  }
  if (conn.key === '') problems.push({ path: 'key', message: 'missing', remedy: 'name the table: table or db.table' });
  const mode = conn.params.mode ?? 'upsert';
  if (!saveModes.includes(mode)) {
    const remedy = didYouMean(mode, saveModes, `write one of ${saveModes.join(', ')}`);
    problems.push({ path: 'params.mode', message: `"${mode}" is no save mode`, remedy });
  }
  return problems;
}

/** Whether a function of an enabled flow names the connector. */
function isUsed(configuration: Configuration, cname: string): boolean {
  return [...configuration.flows.values()].some(
    (flow) => flow.status === 1 && flow.flows.some((step) => configuration.funcs.get(step.fname)?.option.cname === cname),
  );
}
