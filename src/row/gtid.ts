import { GtidSet, MariadbGtidPosition } from '@vlasky/zongji';

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
  #mysql: GtidSet | undefined;
  readonly #mariadb: MariadbGtidPosition | undefined;
  /** The run being gathered: `uuid:` or `uuid:tag:`, its first and last number. */
  #runSource = '';
  #runFirst = 0;
  #runLast = 0;

  constructor(text: string, dialect: GtidDialect) {
    const compact = text.replace(/\s/g, '');
    if (dialect === 'mysql') this.#mysql = GtidSet.parse(compact);
    else this.#mariadb = MariadbGtidPosition.parse(compact);
  }

  add(gtid: string): void {
    if (this.#mariadb !== undefined) {
      const [domainId = '', serverId = '', seqNo = ''] = gtid.split('-');
      this.#mariadb.add({ domainId: Number(domainId), serverId: Number(serverId), seqNo });
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
      this.#mysql?.add(gtid);
      return;
    }
    this.#runSource = gtid.slice(0, numberAt);
    this.#runFirst = number;
    this.#runLast = number;
  }

  has(gtid: string): boolean {
    this.#fold();
    return this.#mysql?.contains(gtid) ?? this.#mariadb?.covers(gtid) ?? false;
  }

  toString(): string {
    this.#fold();
    return (this.#mysql ?? this.#mariadb)?.toString() ?? '';
  }

  #fold(): void {
    if (this.#runSource === '' || this.#mysql === undefined) return;
    const run = `${this.#runSource}${this.#runFirst}-${this.#runLast}`;
    if (this.#runFirst === this.#runLast) this.#mysql.add(`${this.#runSource}${this.#runFirst}`);
    else this.#mysql = GtidSet.parse(this.#mysql.isEmpty() ? run : `${this.#mysql.toString()},${run}`);
    this.#runSource = '';
    this.#runLast = 0;
  }
}

interface Interval {
  readonly source: string;
  readonly first: bigint;
  readonly last: bigint;
}

function mysqlIntervals(text: string): Interval[] {
  const intervals: Interval[] = [];
  for (const block of text.replace(/\s/g, '').toLowerCase().split(',')) {
    const [uuid = '', ...items] = block.split(':');
    let tag = '';
    for (const item of items) {
      const [first = '', last] = item.split('-');
      if (!/^\d/.test(item)) tag = item;
      else intervals.push({ source: `${uuid}:${tag}`, first: BigInt(first), last: BigInt(last ?? first) });
    }
  }
  return intervals;
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
  const sets = mysqlIntervals(GtidSet.parse(outer).toString());
  return mysqlIntervals(inner).every((want) =>
    sets.some((have) => have.source === want.source && have.first <= want.first && want.last <= have.last),
  );
}
