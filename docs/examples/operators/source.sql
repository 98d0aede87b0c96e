CREATE DATABASE shop;

CREATE TABLE shop.orders (
  order_id    INT           NOT NULL PRIMARY KEY,
  customer_id INT           NOT NULL,
  status      VARCHAR(10)   NOT NULL,
  product     VARCHAR(20)   NOT NULL,
  amount      DECIMAL(12,2) NOT NULL,
  quantity    INT           NOT NULL,
  paid_at     DATETIME      NULL
);

INSERT INTO shop.orders VALUES
  (1, 7, 'paid', 'tea', 4.50, 2, '2024-05-01 10:00:00'),
  (2, 7, 'paid', 'cup', 12.30, 1, '2024-05-03 08:30:00'),
  (3, 7, 'new', 'tea', 4.50, 6, NULL),
  (4, 8, 'paid', 'tea', 4.50, 1, '2024-05-02 09:00:00'),
  (5, 9, 'paid', 'pot', 39.90, 1, '2024-05-02 11:00:00');
UPDATE shop.orders SET status = 'paid', paid_at = '2024-05-04 12:00:00' WHERE order_id = 3;
UPDATE shop.orders SET customer_id = 8 WHERE order_id = 2;
UPDATE shop.orders SET status = 'refunded' WHERE order_id = 5;
DELETE FROM shop.orders WHERE order_id = 4;
