CREATE TABLE order_customer (
  id          INT           NOT NULL,
  customer_id INT           NULL,
  amount      DECIMAL(12,2) NOT NULL,
  created_at  DATETIME      NOT NULL,
  segment     VARCHAR(10)   NOT NULL,
  town        VARCHAR(20)   NULL,
  PRIMARY KEY (id)
);

CREATE TABLE daily_revenue (
  day     DATETIME      NOT NULL,
  segment VARCHAR(10)   NOT NULL COLLATE utf8mb4_bin,
  orders  INT UNSIGNED  NOT NULL,
  revenue DECIMAL(16,2) NOT NULL,
  PRIMARY KEY (day, segment)
);

CREATE TABLE visits (
  visitor    INT          NOT NULL,
  began_at   DATETIME     NOT NULL,
  pages      INT UNSIGNED NOT NULL,
  last_click DATETIME     NOT NULL,
  PRIMARY KEY (visitor, began_at)
);
