-- The tables that the demo's flows read: a school, and a shop. They stand on the primary; kisflow only reads them.
CREATE DATABASE IF NOT EXISTS school CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS school.student_score (
  stu_id  INT NOT NULL,
  score_1 INT NOT NULL,
  score_2 INT NOT NULL,
  score_3 INT NOT NULL,
  PRIMARY KEY (stu_id)
);

CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS shop.customers (
  customer_id INT          NOT NULL,
  name        VARCHAR(100) NOT NULL,
  created_at  DATETIME(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (customer_id)
);

-- status: new, paid, cancelled or refunded
CREATE TABLE IF NOT EXISTS shop.orders (
  order_id    INT            NOT NULL,
  customer_id INT            NOT NULL,
  status      VARCHAR(16)    NOT NULL,
  total       DECIMAL(12, 2) NOT NULL,
  paid_at     DATETIME(3)    NULL,
  created_at  DATETIME(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (order_id),
  KEY customer (customer_id)
);

CREATE TABLE IF NOT EXISTS shop.order_items (
  order_id   INT            NOT NULL,
  line       INT            NOT NULL,
  article    VARCHAR(40)    NOT NULL,
  quantity   INT            NOT NULL,
  unit_price DECIMAL(10, 2) NOT NULL,
  PRIMARY KEY (order_id, line)
);
