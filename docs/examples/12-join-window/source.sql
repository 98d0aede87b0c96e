CREATE DATABASE shop;

CREATE TABLE shop.customers (
  id      INT         NOT NULL PRIMARY KEY,
  segment VARCHAR(10) NOT NULL,
  city    VARCHAR(20) NULL
);

CREATE TABLE shop.orders (
  id          INT           NOT NULL PRIMARY KEY,
  customer_id INT           NULL,
  amount      DECIMAL(12,2) NOT NULL,
  created_at  DATETIME      NOT NULL
);

CREATE TABLE shop.clicks (
  id         INT         NOT NULL PRIMARY KEY,
  visitor    INT         NOT NULL,
  page       VARCHAR(20) NOT NULL,
  clicked_at DATETIME    NOT NULL
);

INSERT INTO shop.orders VALUES
  (1, 7, 20.00, '2024-05-01 10:00:00'),
  (2, 8, 15.50, '2024-05-01 23:59:59'),
  (3, 7, 4.50, '2024-05-02 00:00:00'),
  (4, 9, 99.00, '2024-05-02 12:00:00'),
  (5, NULL, 1.00, '2024-05-02 12:00:00');
INSERT INTO shop.customers VALUES (7, 'gold', 'Rome'), (8, 'basic', NULL);
UPDATE shop.customers SET segment = 'gold' WHERE id = 8;
UPDATE shop.orders SET created_at = '2024-05-02 08:00:00' WHERE id = 2;

INSERT INTO shop.clicks VALUES
  (1, 5, 'home', '2024-05-01 10:00:00'),
  (2, 5, 'tea', '2024-05-01 10:20:00'),
  (3, 5, 'cup', '2024-05-01 11:05:00'),
  (4, 6, 'home', '2024-05-01 10:30:00');
INSERT INTO shop.clicks VALUES (5, 5, 'pot', '2024-05-01 10:40:00');
DELETE FROM shop.clicks WHERE id = 1;
