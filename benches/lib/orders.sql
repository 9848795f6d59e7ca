-- What a careful shop keeps of an order, by hand: a key, stock, a hold, the order with its due
-- time, a log; the same rows as ours, without a chain of hashes.
CREATE TABLE stock (sku text PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0),
  held bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE keys (key uuid PRIMARY KEY, fingerprint uuid NOT NULL, order_id text NOT NULL);
CREATE TABLE holds (id text PRIMARY KEY, customer text NOT NULL, state text NOT NULL,
  deadline timestamptz NOT NULL);
CREATE TABLE orders (id text PRIMARY KEY, customer text NOT NULL, status text NOT NULL,
  total bigint NOT NULL, currency text NOT NULL, lines jsonb NOT NULL, due timestamptz NOT NULL);
CREATE INDEX ON orders (due);
CREATE TABLE log (position bigserial PRIMARY KEY, type text NOT NULL, subject text NOT NULL,
  data jsonb NOT NULL);
INSERT INTO stock VALUES ('lamp', 1000000000, 0);
INSERT INTO stock SELECT 'lamp-' || n, 1000000000, 0 FROM generate_series(0, 999) n;

CREATE FUNCTION take_order(wanted text, buyer text, of_sku text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO keys VALUES (md5(wanted)::uuid, md5(buyer || of_sku)::uuid, wanted);
  INSERT INTO holds VALUES ('h-' || wanted, buyer, 'confirming', now() + interval '15 min');
  INSERT INTO orders VALUES (wanted, buyer, 'PENDING', 1999, 'EUR',
    jsonb_build_array(jsonb_build_object('sku', of_sku, 'quantity', 1, 'price', 1999)),
    now() + interval '1 s');
  INSERT INTO log (type, subject, data) VALUES ('order.created', wanted,
    '{"status":"PENDING","total":1999,"currency":"EUR","intent":"charge"}');
  UPDATE stock SET available = available - 1, held = held + 1
    WHERE sku = of_sku AND available >= 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'sold out';
  END IF;
END $$;
