/**
 * A set of MySQL GTIDs: `uuid:1-5:8,uuid2:3`, with tags `uuid:1-5:tag_a:1` (MySQL manual, "GTID Sets"; tags since 8.3). A source's
 * transactions are kept as intervals, ends included, ascending and apart from one another.
 */
export class GtidSet {
  /** By `uuid:` or `uuid:tag`. */
  readonly #sources = new Map<string, Interval[]>();

  /** Throws an Error that names the text where it is no set. */
  static parse(text: string): GtidSet {
    const set = new GtidSet();
    const compact = text.replace(/\s/g, '').toLowerCase();
    if (compact === '') return set;
    for (const block of compact.split(',')) {
      const [uuid = '', ...items] = block.split(':');
      if (!uuidPattern.test(uuid) || items.length === 0) throw new Error(`no GTID set: ${text}`);
      let tag = '';
      for (const item of items) {
        const match = intervalPattern.exec(item);
        if (match === null && tagPattern.test(item)) tag = item;
        else set.add(`${uuid}:${tag}`, intervalOf(match, text));
      }
    }
    return set;
  }

  /** Adds transactions of a source (`uuid:` or `uuid:tag`). */
  add(source: string, { first, last }: Interval): void {
    const intervals = this.#sources.get(source);
    if (intervals === undefined) {
      this.#sources.set(source, [{ first, last }]);
      return;
    }
    // Those that it touches become one with it.
    const isApart = (other: Interval) => other.last + 1n < first || other.first > last + 1n;
    const touched = intervals.filter((other) => !isApart(other));
    const merged = touched.reduce(
      (sum, other) => ({ first: smaller(sum.first, other.first), last: larger(sum.last, other.last) }),
      {
        first,
        last,
      },
    );
    const apart = intervals.filter(isApart);
    const at = apart.findIndex((other) => other.first > merged.last);
    apart.splice(at === -1 ? apart.length : at, 0, merged);
    this.#sources.set(source, apart);
  }

  /** Whether it has a transaction of a source. */
  has(source: string, number: bigint): boolean {
    return this.#sources.get(source)?.some(({ first, last }) => first <= number && number <= last) ?? false;
  }

  /** Whether every transaction of another set is in this one. */
  contains(inner: GtidSet): boolean {
    return [...inner.#sources].every(([source, intervals]) => {
      const ours = this.#sources.get(source) ?? [];
      return intervals.every((want) => ours.some((have) => have.first <= want.first && want.last <= have.last));
    });
  }

  toString(): string {
    let text = '';
    let lastUuid = '';
    for (const [source, intervals] of this.#sorted()) {
      const [uuid = '', tag = ''] = source.split(':');
      if (uuid === lastUuid) text += `:${tag}`;
      else text += `${text === '' ? '' : ','}${uuid}${tag === '' ? '' : `:${tag}`}`;
      lastUuid = uuid;
      for (const { first, last } of intervals) text += first === last ? `:${first}` : `:${first}-${last}`;
    }
    return text;
  }

  /**
   * As COM_BINLOG_DUMP_GTID takes it (MySQL sql/rpl_gtid_set.cc, Gtid_set::encode): number of sources (8), and for each its UUID (16), number
   * of intervals (8), and their first and the one behind their last (8 and 8). With tags the first number is (1 << 56 | sources << 8 | 1),
   * and a tag stands behind each UUID, twice its length before it.
   */
  encode(): Buffer {
    const sources = this.#sorted();
    const hasTags = sources.some(([source]) => !source.endsWith(':'));
    const count = BigInt(sources.length);
    const pieces = [number64(hasTags ? (1n << 56n) | (count << 8n) | 1n : count)];
    for (const [source, intervals] of sources) {
      const [uuid = '', tag = ''] = source.split(':');
      pieces.push(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
      if (hasTags) pieces.push(Buffer.from([tag.length << 1]), Buffer.from(tag, 'latin1'));
      pieces.push(number64(BigInt(intervals.length)));
      for (const { first, last } of intervals) pieces.push(number64(first), number64(last + 1n));
    }
    return Buffer.concat(pieces);
  }

  /** By UUID, and the one without a tag first: `uuid:` sorts before `uuid:tag`. */
  #sorted(): [string, Interval[]][] {
    return [...this.#sources].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const intervalPattern = /^(\d+)(?:-(\d+))?$/;
/** MySQL libs/mysql/gtid/tag.cpp. */
const tagPattern = /^[a-z_][a-z0-9_]{0,31}$/;

function intervalOf(match: RegExpExecArray | null, text: string): Interval {
  const first = BigInt(match?.[1] ?? 0);
  const last = BigInt(match?.[2] ?? first);
  if (first < 1n || last < first) throw new Error(`no GTID set: ${text}`);
  return { first, last };
}

function number64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(value);
  return buffer;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
