import type { FlatChange } from '../source/reading.ts';

/**
 * A golden file: what is said to a server, and the changes that a reader must be given of it.
 *
 *     What the case is about, in a sentence or two.
 *     servers: mysql mariadb               which servers it is for; both without the line
 *     settings: name=value name=value      of a private server; `settings mysql:` of that server's only
 *     show: gtid                           the changes are under their transactions' GTIDs
 *     == sql                               said by one connection; `sql mysql` by that server's only
 *     == sql @other                        said by another connection
 *     == changes                           `changes mysql` where the servers differ
 *
 * A change is `insert|update|delete table before -> after`, a `~` behind the word where the event did not hold every column; bytes stand
 * as x'00ff'. An empty line ends a transaction that has changes. A last line `error CODE` says what ends the read.
 */
export interface Golden {
  readonly title: string;
  readonly servers: readonly string[];
  readonly settings: (flavour: string) => Readonly<Record<string, string>>;
  readonly showsGtid: boolean;
  readonly steps: (flavour: string) => readonly { readonly connection: string; readonly sql: string }[];
  readonly expected: (flavour: string) => string;
  /** The file with these changes in place of those that were expected. */
  readonly rewritten: (flavour: string, changes: string) => string;
}

interface Section {
  readonly kind: string;
  readonly words: readonly string[];
  readonly text: string;
}

const isFor = (words: readonly string[], flavour: string) =>
  words.includes(flavour) || !words.some((word) => word === 'mysql' || word === 'mariadb');

export function parseGolden(text: string): Golden {
  const [head = '', ...rest] = text.split(/^== /m);
  const sections = rest.map((section): Section => {
    const end = section.indexOf('\n');
    const [kind = '', ...words] = section.slice(0, end).trim().split(' ');
    return { kind, words, text: section.slice(end + 1).trim() };
  });
  const lines = head.trim().split('\n');
  const valueOf = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
  const pairs = (line: string) => line.split(' ').flatMap((pair) => (pair === '' ? [] : [pair.split('=')]));
  const changesFor = (flavour: string) => sections.find(({ kind, words }) => kind === 'changes' && isFor(words, flavour));
  return {
    title: lines.filter((line) => !/^(servers|settings|settings \w+|show): /.test(line)).join(' '),
    servers: (valueOf('servers') || 'mysql mariadb').split(' '),
    settings: (flavour) =>
      Object.fromEntries(
        [...pairs(valueOf('settings')), ...pairs(valueOf(`settings ${flavour}`))].map(([name = '', value = '']) => [name, value]),
      ),
    showsGtid: valueOf('show') === 'gtid',
    steps: (flavour) =>
      sections
        .filter(({ kind, words }) => kind === 'sql' && isFor(words, flavour))
        .map(({ words, text: sql }) => ({ connection: words.find((word) => word.startsWith('@')) ?? '', sql })),
    expected: (flavour) => changesFor(flavour)?.text ?? '',
    rewritten: (flavour, changes) => {
      const old = changesFor(flavour);
      const written = sections.map((section) => {
        const { kind, words } = section;
        return `== ${[kind, ...words].join(' ')}\n${section === old ? changes : section.text}\n`;
      });
      return `${head.trim()}\n\n${written.join('\n')}`;
    },
  };
}

/** One change as a golden file has it. */
export function formatChange({ op, table, before, after }: FlatChange, isPartial: boolean): string {
  const images = [before, after].filter((row) => row !== undefined).map(formatRow);
  return `${op}${isPartial ? '~' : ''} ${table} ${images.join(' -> ')}`;
}

function formatRow(row: Readonly<Record<string, unknown>>): string {
  const fields = Object.entries(row).map(([name, value]) => `${JSON.stringify(name)}: ${formatValue(value)}`);
  return `{${fields.join(', ')}}`;
}

function formatValue(value: unknown): string {
  return value instanceof Uint8Array ? `x'${Buffer.from(value).toString('hex')}'` : (JSON.stringify(value) ?? 'undefined');
}
