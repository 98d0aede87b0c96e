import { defineFunction } from 'kisflow';
import { asPaid, fromCents, orderChange, toCents, type Order } from './shop/order-change.ts';

interface Delta {
  cents: bigint;
  orders: number;
}

/**
 * Adds what a batch changes to `customer_value`: a paid order's row before the change counts down, the row after it counts up, so
 * refunds, corrected totals, orders that move to another customer and deletes all come out right.
 *
 * Increments are safe here because they are done exactly once: this statement and the flow's checkpoint commit in one transaction of
 * the store. After a crash the flow goes on behind the last batch that was added, and never adds one twice.
 */
export default defineFunction({
  name: 'AddCustomerValue',
  input: orderChange,
  async run(flow, changes) {
    const deltas = new Map<number, Delta>();
    for (const { before, after } of changes) {
      add(deltas, asPaid(before), -1);
      add(deltas, asPaid(after), 1);
    }
    if (deltas.size === 0) return;
    const rows = [...deltas].map(([customer, delta]) => [customer, fromCents(delta.cents), delta.orders]);
    const customers = [...deltas.keys()];
    const store = flow.getConnector();
    await store.query(
      `INSERT INTO customer_value (customer_id, paid_total, paid_orders) VALUES ?
       ON DUPLICATE KEY UPDATE paid_total = paid_total + VALUES(paid_total), paid_orders = paid_orders + VALUES(paid_orders)`,
      [rows],
    );
    // A maximum cannot be counted down: it is looked up in the paid orders, which KeepPaidOrders has just brought up to date.
    await store.query(
      `UPDATE customer_value
       SET last_paid_at = (SELECT MAX(paid_at) FROM paid_order WHERE paid_order.customer_id = customer_value.customer_id)
       WHERE customer_id IN (?)`,
      [customers],
    );
    await store.query('DELETE FROM customer_value WHERE paid_orders = 0 AND customer_id IN (?)', [customers]);
  },
});

function add(deltas: Map<number, Delta>, order: Order | undefined, sign: 1 | -1): void {
  if (order === undefined) return;
  const delta = deltas.get(order.customer_id) ?? { cents: 0n, orders: 0 };
  delta.cents += BigInt(sign) * toCents(order.total);
  delta.orders += sign;
  deltas.set(order.customer_id, delta);
}
