import { z } from 'zod';

/** A row of shop.orders. DECIMALs arrive as texts, so that no cent is lost in a floating-point number. */
const order = z.object({
  order_id: z.number(),
  customer_id: z.number(),
  status: z.string(),
  total: z.string(),
  paid_at: z.string().nullable(),
});

export type Order = z.infer<typeof order>;

/** A change of shop.orders: no `before` in an insert, no `after` in a delete. */
export const orderChange = z.object({ before: order.nullable(), after: order.nullable() });

/** The order when it counts for its customer: cancelled and refunded ones do not. */
export function asPaid(row: Order | null): Order | undefined {
  return row?.status === 'paid' ? row : undefined;
}

/** '12.30' → 1230n. */
export function toCents(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''));
}

/** 1230n → '12.30'. */
export function fromCents(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
