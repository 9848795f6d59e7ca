-- What the usual transaction of a shop keeps: stock, the order, an audit row and an outbox row.
CREATE TABLE usual_stock (sku text PRIMARY KEY, stock bigint NOT NULL CHECK (stock >= 0))
  WITH (fillfactor = 10);
CREATE TABLE usual_orders (id bigserial PRIMARY KEY, customer text NOT NULL, sku text NOT NULL,
  quantity int NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE usual_audit (id bigserial PRIMARY KEY, sku text NOT NULL, operation text NOT NULL,
  quantity int NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE usual_outbox (id bigserial PRIMARY KEY, event_type text NOT NULL,
  payload jsonb NOT NULL, status text NOT NULL DEFAULT 'PENDING',
  created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO usual_stock SELECT 'lamp-' || n, 1000000000 FROM generate_series(1, 10000) n;
