-- The orders that are paid now, written by the flow CustomerValue: what it needs to find a customer's last payment again
-- when the order that was last is refunded or deleted.
CREATE TABLE paid_order (
  order_id    INT            NOT NULL,
  customer_id INT            NOT NULL,
  total       DECIMAL(12, 2) NOT NULL,
  paid_at     DATETIME(3)    NULL,
  PRIMARY KEY (order_id),
  KEY customer (customer_id, paid_at)
);

-- One row a customer with at least one paid order, written by the flow CustomerValue.
CREATE TABLE customer_value (
  customer_id  INT            NOT NULL,
  paid_total   DECIMAL(14, 2) NOT NULL,
  paid_orders  INT            NOT NULL,
  last_paid_at DATETIME(3)    NULL,
  PRIMARY KEY (customer_id)
);
