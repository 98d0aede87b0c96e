import { between, chooseWeighted, type PlannedTransaction, type Random, type Statement } from './transaction.ts';

const customersMax = 300;
const articles = ['pencil', 'notebook', 'ruler', 'globe', 'atlas', 'satchel', 'lamp', 'desk'];

const insertOrderSql = 'INSERT INTO shop.orders (order_id, customer_id, status, total, paid_at) VALUES ?';
const insertItemSql = 'INSERT INTO shop.order_items (order_id, line, article, quantity, unit_price) VALUES ?';
const paySql = "UPDATE shop.orders SET status = 'paid', paid_at = NOW(3) WHERE order_id IN (?)";

/** The customers, before anything is sold. */
export const firstCustomers: PlannedTransaction = {
  statements: [
    {
      sql: 'INSERT INTO shop.customers (customer_id, name) VALUES ?',
      params: [Array.from({ length: customersMax }, (_, index) => [index + 1, `Customer ${index + 1}`])],
    },
  ],
};

/**
 * Plans what happens at the shop. An order is placed, then paid or cancelled; paid ones are refunded, corrected, moved to another customer or
 * removed. The plan remembers orders by what can still happen to them; totals are whole cents until they are written.
 */
export class ShopChanges {
  readonly #random: Random;
  readonly #placed: number[] = [];
  readonly #paid: number[] = [];
  readonly #closed: number[] = [];
  #nextId = 1;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): PlannedTransaction {
    const plan = chooseWeighted<() => PlannedTransaction | undefined>(this.#random, [
      [40, () => this.#place()],
      [32, () => this.#pay(1)],
      [4, () => this.#close(this.#placed, 'cancelled')],
      [5, () => this.#close(this.#paid, 'refunded')],
      [4, () => this.#correct()],
      [4, () => this.#move()],
      [5, () => this.#remove()],
      [2, () => this.#import(between(this.#random, 100, 1000))],
      [2, () => this.#pay(between(this.#random, 50, 1000))],
      [2, () => this.#payInVain()],
    ]);
    return plan?.() ?? this.#place();
  }

  /** An order with its items, in one transaction; the total is that of the items. */
  #place(): PlannedTransaction {
    const id = this.#newId();
    let cents = 0;
    const items = Array.from({ length: between(this.#random, 1, 4) }, (_, index) => {
      const quantity = between(this.#random, 1, 5);
      const unitCents = between(this.#random, 49, 9999);
      cents += quantity * unitCents;
      return [id, index + 1, articles[between(this.#random, 0, articles.length - 1)], quantity, decimal(unitCents)];
    });
    return {
      statements: [
        { sql: insertOrderSql, params: [[[id, this.#customer(), 'new', decimal(cents), null]]] },
        { sql: insertItemSql, params: [items] },
      ],
    };
  }

  /** Many orders at once, as another system hands them over. */
  #import(count: number): PlannedTransaction {
    const rows = Array.from({ length: count }, () => [
      this.#newId(),
      this.#customer(),
      'new',
      decimal(between(this.#random, 100, 99_999)),
      null,
    ]);
    return { statements: [{ sql: insertOrderSql, params: [rows] }] };
  }

  #pay(count: number): PlannedTransaction | undefined {
    const ids = this.#take(this.#placed, count);
    this.#paid.push(...ids);
    return planFor(ids, { sql: paySql, params: [ids] });
  }

  /** Payments that the shop takes back before it commits. */
  #payInVain(): PlannedTransaction | undefined {
    const ids = this.#placed.slice(0, 20);
    const plan = planFor(ids, { sql: paySql, params: [ids] });
    return plan === undefined ? undefined : { ...plan, isRolledBack: true };
  }

  #close(from: number[], status: 'cancelled' | 'refunded'): PlannedTransaction | undefined {
    const ids = this.#take(from, 1);
    this.#closed.push(...ids);
    return planFor(ids, { sql: 'UPDATE shop.orders SET status = ? WHERE order_id IN (?)', params: [status, ids] });
  }

  #correct(): PlannedTransaction | undefined {
    const ids = this.#paid.slice(-between(this.#random, 1, 5));
    return planFor(ids, { sql: 'UPDATE shop.orders SET total = total + 0.01 WHERE order_id IN (?)', params: [ids] });
  }

  /** To the next customer, so that each of them really changes. */
  #move(): PlannedTransaction | undefined {
    const ids = this.#paid.slice(0, between(this.#random, 1, 3));
    const sql = `UPDATE shop.orders SET customer_id = customer_id % ${customersMax} + 1 WHERE order_id IN (?)`;
    return planFor(ids, { sql, params: [ids] });
  }

  /** Old orders go, paid ones too, with their items. */
  #remove(): PlannedTransaction | undefined {
    const ids = [...this.#take(this.#closed, 3), ...this.#take(this.#paid, 1)];
    return planFor(
      ids,
      { sql: 'DELETE FROM shop.order_items WHERE order_id IN (?)', params: [ids] },
      { sql: 'DELETE FROM shop.orders WHERE order_id IN (?)', params: [ids] },
    );
  }

  /** Removes up to `count` ids from random places of the list and returns them. */
  #take(ids: number[], count: number): number[] {
    const taken: number[] = [];
    while (taken.length < count && ids.length > 0) {
      const place = between(this.#random, 0, ids.length - 1);
      const last = ids.pop();
      if (last === undefined) break;
      taken.push(ids[place] ?? last);
      if (place < ids.length) ids[place] = last;
    }
    return taken;
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#placed.push(id);
    return id;
  }

  #customer(): number {
    return between(this.#random, 1, customersMax);
  }
}

function planFor(ids: readonly number[], ...statements: readonly Statement[]): PlannedTransaction | undefined {
  return ids.length === 0 ? undefined : { statements };
}

/** 1230 → '12.30'. */
function decimal(cents: number): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}
