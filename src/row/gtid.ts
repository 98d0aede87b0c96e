import { GtidSet } from './gtid-set.ts';

/**
 * GTID sets in both dialects, as text outside and as the dialect's own set inside.
 *
 * MySQL: `uuid:1-5:8,uuid2:tag:3`, a set of intervals (MySQL manual, "GTID Sets"). MariaDB: `0-1-1234,1-3-45`, the last
 * transaction per domain (MariaDB manual, "Global Transaction ID"). A MySQL set always has a colon, a MariaDB one never.
 */
export type GtidDialect = 'mysql' | 'mariadb';

const mariadbPattern = /^\d+-\d+-\d+(,\d+-\d+-\d+)*$/;
const mysqlPattern = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}:/;

/** Which dialect a GTID set is written in; undefined when it is neither. */
export function gtidDialect(text: string): GtidDialect | undefined {
  const compact = text.replace(/\s/g, '');
  if (mariadbPattern.test(compact)) return 'mariadb';
  if (mysqlPattern.test(compact)) return 'mysql';
  return undefined;
}

/**
 * The GTIDs a reader has passed: starts from a set's text and grows by one transaction at a time. A server numbers its
 * transactions one after another, so a run of them is kept as two numbers and folded into the set when somebody asks.
 */
export class GtidProgress {
  readonly #mysql: GtidSet | undefined;
  /** MariaDB: the last transaction of each domain. */
  readonly #domains = new Map<number, string>();
  /** The run being gathered: `uuid:` or `uuid:tag:`, its first and last number. */
  #runSource = '';
  #runFirst = 0;
  #runLast = 0;

  constructor(text: string, dialect: GtidDialect) {
    if (dialect === 'mysql') this.#mysql = GtidSet.parse(text);
    else for (const gtid of text.replace(/\s/g, '').split(',')) if (gtid !== '') this.add(gtid);
  }

  add(gtid: string): void {
    if (this.#mysql === undefined) {
      // Not the largest: after a failover within a domain the newest may have a lower number.
      this.#domains.set(Number.parseInt(gtid, 10), gtid);
      return;
    }
    const numberAt = gtid.lastIndexOf(':') + 1;
    const number = Number(gtid.slice(numberAt));
    if (number === this.#runLast + 1 && numberAt === this.#runSource.length && gtid.startsWith(this.#runSource)) {
      this.#runLast = number;
      return;
    }
    this.#fold();
    if (!Number.isSafeInteger(number)) {
      const exact = BigInt(gtid.slice(numberAt));
      this.#mysql.add(sourceOf(gtid.slice(0, numberAt)), { first: exact, last: exact });
      return;
    }
    this.#runSource = gtid.slice(0, numberAt);
    this.#runFirst = number;
    this.#runLast = number;
  }

  /** Whether a transaction was passed. MariaDB's domains are ordered, but numbers of two servers say nothing of one another. */
  has(gtid: string): boolean {
    if (this.#mysql !== undefined) {
      this.#fold();
      const numberAt = gtid.lastIndexOf(':') + 1;
      return this.#mysql.has(sourceOf(gtid.slice(0, numberAt)), BigInt(gtid.slice(numberAt)));
    }
    const [domain = '', server = '', number = ''] = gtid.split('-');
    const [, lastServer = '', lastNumber = ''] = this.#domains.get(Number(domain))?.split('-') ?? [];
    return server === lastServer && BigInt(number) <= BigInt(lastNumber);
  }

  toString(): string {
    this.#fold();
    if (this.#mysql !== undefined) return this.#mysql.toString();
    return [...this.#domains]
      .toSorted(([a], [b]) => a - b)
      .map(([, gtid]) => gtid)
      .join(',');
  }

  #fold(): void {
    if (this.#runSource === '' || this.#mysql === undefined) return;
    this.#mysql.add(sourceOf(this.#runSource), { first: BigInt(this.#runFirst), last: BigInt(this.#runLast) });
    this.#runSource = '';
    this.#runLast = 0;
  }
}

/** `uuid:` stays, `uuid:tag:` becomes `uuid:tag`, as a GtidSet has them. */
function sourceOf(prefix: string): string {
  return prefix.indexOf(':') === prefix.length - 1 ? prefix : prefix.slice(0, -1);
}

/**
 * Whether every transaction of `inner` is in `outer` (both sets' texts, one dialect). For MariaDB a domain's position is
 * contained when its sequence number is not above the outer one's in the same domain.
 */
export function gtidContains(outer: string, inner: string): boolean {
  if (inner === '') return true;
  if (outer === '') return false;
  if (gtidDialect(inner) === 'mariadb') {
    const reached = new Map(outer.split(',').map((entry) => [entry.split('-')[0], BigInt(entry.split('-')[2] ?? '0')]));
    return inner.split(',').every((entry) => {
      const [domain, , sequence = '0'] = entry.split('-');
      return BigInt(sequence) <= (reached.get(domain) ?? -1n);
    });
  }
  return GtidSet.parse(outer).contains(GtidSet.parse(inner));
}
