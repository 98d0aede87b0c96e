import { defineFunction, reuse } from 'kisflow';
import { asPaid, orderChange, type Order } from './shop/order-change.ts';

/** Keeps `paid_order` equal to the paid orders of the shop, and passes the changes on. */
export default defineFunction({
  name: 'KeepPaidOrders',
  input: orderChange,
  async run(flow, changes) {
    // Changes come in commit order, so the last one of an order says what it is now.
    const orders = new Map<number, Order | undefined>();
    for (const { before, after } of changes) {
      if (before !== null) orders.set(before.order_id, undefined);
      if (after !== null) orders.set(after.order_id, asPaid(after));
    }
    const paid = [...orders.values()].flatMap((order) =>
      order === undefined ? [] : [[order.order_id, order.customer_id, order.total, order.paid_at]],
    );
    const unpaid = [...orders].flatMap(([id, order]) => (order === undefined ? [id] : []));
    const store = flow.getConnector();
    if (paid.length > 0) await store.query('REPLACE INTO paid_order (order_id, customer_id, total, paid_at) VALUES ?', [paid]);
    if (unpaid.length > 0) await store.query('DELETE FROM paid_order WHERE order_id IN (?)', [unpaid]);
    flow.next(reuse());
  },
});
