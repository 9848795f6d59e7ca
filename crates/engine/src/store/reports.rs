//! The SQL views over what is folded from the log, for people's reports: the same in every SQL
//! store.

use crate::port::Projection;

/// What one database writes otherwise than another.
pub(super) struct Dialect {
    /// A time as RFC 3339 text with milliseconds; `{t}` is its column, in microseconds.
    pub(super) time: &'static str,
    /// The table that says which log the rows are of.
    pub(super) meta: &'static str,
}

/// The SQL views over a projection's live set, for people's reports.
///
/// `{n}` in them is the number of the set.
pub(super) fn sql_views(projection: Projection, dialect: &Dialect) -> String {
    let text = |column: &str| dialect.time.replace("{t}", column);
    let meta = dialect.meta;
    match projection {
        Projection::Orders => format!(
            "DROP VIEW IF EXISTS orders; DROP VIEW IF EXISTS order_items;
             DROP VIEW IF EXISTS payments;
             CREATE VIEW orders AS SELECT id, customer AS user_id, total, currency, status,
               {} AS created_at, {} AS updated_at FROM order_row_{{n}} WHERE status <> 'REJECTED';
             CREATE VIEW order_items AS SELECT o.id AS order_id, l.sku AS sku_id, l.quantity,
               l.price FROM order_row_{{n}} o JOIN order_line_{{n}} l ON l.created = o.created;
             CREATE VIEW payments AS SELECT id, id AS order_id, transaction_id, payment AS status,
               amount, CASE WHEN paid_at IS NULL THEN NULL ELSE {} END AS callback_time
               FROM order_row_{{n}} WHERE status <> 'REJECTED';",
            text("at"),
            text("updated"),
            text("paid_at")
        ),
        Projection::Holds => String::new(),
        Projection::Stock => "DROP VIEW IF EXISTS availability;
             CREATE VIEW availability AS SELECT sku AS sku_id, location, available, held, sold,
               shipped, returned, written_off, -supply AS received FROM balance_{n};"
            .to_owned(),
        Projection::Audit => format!(
            "DROP VIEW IF EXISTS inventory_audit;
             CREATE VIEW inventory_audit AS SELECT position || '/' || idx AS id, sku AS sku_id,
               word AS operation, quantity, ref AS ref_id, {} AS created_at FROM audit_{{n}};",
            text("at")
        ),
        Projection::Outbox => format!(
            "DROP VIEW IF EXISTS outbox;
             CREATE VIEW outbox AS SELECT
               m.log || '.' || coalesce((SELECT min(e.incarnation) FROM lineage e
                 WHERE o.position <= e.last), m.incarnation) || ':' || o.position || '/' || o.idx
                 AS id,
               o.id AS aggregate_id, o.type AS event_type, o.payload,
               CASE WHEN p.id IS NOT NULL THEN 'FAILED'
                 WHEN m.passed IS NULL OR o.position <= m.passed THEN 'SENT'
                 ELSE 'PENDING' END AS status,
               coalesce(p.attempts, 0) AS attempts, p.cause AS last_error, {} AS created_at,
               CASE WHEN p.id IS NULL AND (m.passed IS NULL OR o.position <= m.passed)
                 THEN (SELECT {} FROM passage s WHERE s.position >= o.position
                   ORDER BY s.position LIMIT 1) END AS sent_at
             FROM outbox_{{n}} o CROSS JOIN {meta} m
             LEFT JOIN parked p ON p.id = o.id AND p.position = (SELECT max(position) FROM parked
               WHERE id = o.id AND position <= o.position);",
            text("o.at"),
            text("s.at")
        ),
    }
}
