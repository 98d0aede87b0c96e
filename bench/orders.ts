/**
 * The rows that everything is measured with: orders of about 100 bytes in nine columns. They follow from their id and from how
 * often they were updated, so that every process can make them again.
 */
export type OrderRow = readonly [
  id: number,
  customerId: number,
  status: string,
  amount: string,
  quantity: number,
  note: string,
  createdAt: string,
  updatedAt: string,
  flag: number,
];

const columns = ['id', 'customer_id', 'status', 'amount', 'quantity', 'note', 'created_at', 'updated_at', 'flag'];

const customerCount = 100_000;

export function createOrders(table: string): string {
  return `CREATE TABLE ${table} (
    id INT NOT NULL PRIMARY KEY, customer_id INT NOT NULL, status VARCHAR(12) NOT NULL, amount DECIMAL(12,2) NOT NULL,
    quantity SMALLINT NOT NULL, note VARCHAR(120) NOT NULL, created_at DATETIME NOT NULL,
    updated_at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00', flag TINYINT NOT NULL)`;
}

/** For mysql2's `query(sql, [rows])`. */
export function insertOrders(table: string): string {
  return `INSERT INTO ${table} (${columns.join(',')}) VALUES ?`;
}

export function upsertOrders(table: string): string {
  const sets = columns.slice(1).map((column) => `${column}=VALUES(${column})`);
  return `${insertOrders(table)} ON DUPLICATE KEY UPDATE ${sets.join(',')}`;
}

/** One row that two equal sets of orders, and almost surely only they, have in common. */
export function ordersChecksum(table: string): string {
  return `SELECT COUNT(*) AS n, COALESCE(SUM(CRC32(CONCAT_WS('|', ${columns.join(',')}))), 0) AS crc,
    COALESCE(BIT_XOR(CRC32(CONCAT_WS('~', ${columns.toReversed().join(',')}))), 0) AS x FROM ${table}`;
}

const statuses = ['new', 'paid', 'packed', 'shipped', 'returned'];
const words = 'ring twice, leave at the door, gift wrap, call before delivery, fragile, no substitutes';
const epoch = Date.UTC(2024, 0, 1);

/** An order after `version` updates. */
export function orderRow(id: number, version: number): OrderRow {
  const mixed = mix(id * 16 + version);
  const cents = mixed % 1_000_000;
  const start = mixed % 50;
  return [
    id,
    mix(id) % customerCount,
    statuses[version % statuses.length] ?? '',
    `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`,
    (mixed % 9) + 1,
    words.slice(start, start + 24 + (mixed % 21)),
    timeText(id),
    timeText(id + version * 3600),
    mixed % 2,
  ];
}

function timeText(seconds: number): string {
  return new Date(epoch + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** One commit at the source. */
export interface OrderTransaction {
  readonly isUpdate: boolean;
  readonly rows: readonly OrderRow[];
}

/** How many updates go with this many inserts. */
function updateCount(inserts: number): number {
  return Math.floor(inserts / 4);
}

/**
 * The commits that fill the source, always the same. Sizes are mixed: two in five have 1 to 5 rows, two in five 10 to 50, one in
 * five 100 to 500. Seven in ten updates fall on the last 20,000 orders, the others anywhere.
 */
export function* orderTransactions(inserts: number): Generator<OrderTransaction> {
  const versions = new Uint8Array(inserts + 1);
  const random = randomFrom(7);
  let inserted = 0;
  let updatesLeft = updateCount(inserts);
  let due = 0;
  while (inserted < inserts || updatesLeft > 0) {
    const size = transactionSize(random);
    if (inserted < inserts) {
      const count = Math.min(size, inserts - inserted);
      yield { isUpdate: false, rows: Array.from({ length: count }, (_, i) => orderRow(inserted + i + 1, 0)) };
      inserted += count;
      due += count / 4;
    }
    const updates = Math.min(transactionSize(random), updatesLeft);
    if (updates <= due || inserted === inserts) {
      const rows = updatedRows({ count: updates, inserted, versions, random });
      if (rows.length > 0) yield { isUpdate: true, rows };
      due -= rows.length;
      updatesLeft -= rows.length;
    }
  }
}

function updatedRows(from: { count: number; inserted: number; versions: Uint8Array; random: () => number }): OrderRow[] {
  const { count, inserted, versions, random } = from;
  const ids = new Set<number>();
  for (let i = 0; i < count; i += 1) {
    const reach = random() < 0.7 ? Math.min(20_000, inserted) : inserted;
    ids.add(inserted - Math.floor(random() * reach));
  }
  return [...ids].map((id) => {
    const version = ((versions[id] ?? 0) + 1) % 256;
    versions[id] = version;
    return orderRow(id, version);
  });
}

function transactionSize(random: () => number): number {
  const kind = random();
  if (kind < 0.4) return 1 + Math.floor(random() * 5);
  return kind < 0.8 ? 10 + Math.floor(random() * 41) : 100 + Math.floor(random() * 401);
}

/** mulberry32: a repeatable stream of numbers in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}
