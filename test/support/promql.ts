import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly name: string;
  readonly matchers: readonly { readonly label: string; readonly op: string; readonly value: string }[];
}

/** What a PromQL expression speaks of. */
export interface Query {
  readonly selectors: readonly Selector[];
  /** Labels named in by, without, on, ignoring and group_…. */
  readonly grouping: readonly string[];
}

/** Reads an expression with Prometheus' own grammar; throws where it is none. */
export function parseQuery(expr: string): Query {
  const selectors: { name: string; matchers: { label: string; op: string; value: string }[] }[] = [];
  const grouping: string[] = [];
  let matcher: { label: string; op: string; value: string } | undefined;
  parser.parse(expr).iterate({
    enter(node) {
      const text = expr.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${expr}`);
      if (node.name === 'VectorSelector') selectors.push({ name: '', matchers: [] });
      const selector = selectors.at(-1);
      const parent = node.node.parent?.name;
      if (node.name === 'Identifier' && parent === 'VectorSelector' && selector !== undefined) selector.name = text;
      if (node.name === 'UnquotedLabelMatcher') {
        matcher = { label: '', op: '', value: '' };
        selector?.matchers.push(matcher);
      }
      if (node.name === 'LabelName' && parent === 'GroupingLabels') grouping.push(text);
      else if (node.name === 'LabelName' && matcher !== undefined) matcher.label = text;
      else if (node.name === 'MatchOp' && matcher !== undefined) matcher.op = text;
      else if (node.name === 'StringLiteral' && matcher !== undefined) matcher.value = text.slice(1, -1);
    },
  });
  return { selectors, grouping };
}

/** Whether a value passes a matcher, as Prometheus decides it. */
export function passes({ op, value }: Selector['matchers'][number], label: string): boolean {
  const isLike = new RegExp(`^(?:${value})$`);
  switch (op) {
    case '=':
      return label === value;
    case '!=':
      return label !== value;
    case '=~':
      return isLike.test(label);
    default:
      return !isLike.test(label);
  }
}
