CREATE TABLE customer_figures (
  customer_id  INT           NOT NULL,
  orders       INT UNSIGNED  NOT NULL,
  total        DECIMAL(16,2) NOT NULL,
  average      DECIMAL(16,4) NOT NULL,
  greatest     DECIMAL(16,2) NOT NULL,
  products     INT UNSIGNED  NOT NULL,
  last_paid_at DATETIME      NULL,
  PRIMARY KEY (customer_id)
);
