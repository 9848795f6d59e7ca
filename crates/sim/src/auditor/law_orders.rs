//! What may follow what in the life of an order, spelled a second time.

/// A machine, a state, and the state after it.
pub(super) type Pair = (&'static str, &'static str, &'static str);

/// The legal pairs that a history can show, of orders, payments, shipments, sagas, refunds and
/// reviews. An order's states PAID and CONFIRMED are entered in one commit, so that nothing else
/// follows PAID; a cancel saga and a recall get stuck only after a day of unknowns.
pub const PAIRS: &[(&str, &str, &str)] = &[
    ("order", "PENDING", "PAID"),
    ("order", "PENDING", "CANCELLED"),
    ("order", "PENDING", "EXPIRED"),
    ("order", "EXPIRED", "PAID"),
    ("order", "PAID", "CONFIRMED"),
    ("order", "CONFIRMED", "SHIPPED"),
    ("order", "CONFIRMED", "CANCELLED"),
    ("order", "CONFIRMED", "REFUNDED"),
    ("order", "SHIPPED", "DELIVERED"),
    ("order", "SHIPPED", "REFUNDED"),
    ("order", "DELIVERED", "REFUNDED"),
    ("payment", "PENDING", "COMPLETED"),
    ("payment", "PENDING", "FAILED"),
    ("payment", "FAILED", "COMPLETED"),
    ("payment", "COMPLETED", "REFUNDED"),
    ("shipment", "REQUESTED", "INITIATED"),
    ("shipment", "REQUESTED", "CANCELLED"),
    ("shipment", "REQUESTED", "FAILED"),
    ("shipment", "INITIATED", "IN_TRANSIT"),
    ("shipment", "INITIATED", "CANCELLED"),
    ("shipment", "INITIATED", "FAILED"),
    ("shipment", "IN_TRANSIT", "DELIVERED"),
    ("saga", "running", "completed"),
    ("saga", "running", "compensated"),
    ("saga", "running", "stuck"),
    ("saga", "stuck", "running"),
    ("saga", "stuck", "compensated"),
    ("saga", "compensated", "running"),
    ("saga", "completed", "stuck"),
    ("cancel", "running", "completed"),
    ("cancel", "running", "compensated"),
    ("refund", "running", "completed"),
    ("refund", "running", "compensated"),
    ("refund", "running", "stuck"),
    ("refund", "stuck", "running"),
    ("refund", "stuck", "completed"),
    ("warning", "untold", "told"),
    ("review", "open", "approved"),
    ("review", "open", "rejected"),
    ("review", "open", "expired"),
];

/// Legal, and not to be expected of every batch.
const RARE: &[Pair] = &[
    ("saga", "stuck", "completed"),
    ("cancel", "running", "stuck"),
    ("cancel", "stuck", "running"),
    ("cancel", "stuck", "completed"),
    ("cancel", "stuck", "compensated"),
    // What it was to take back had gone back already.
    ("refund", "stuck", "compensated"),
    // A refused cancel may be asked for again.
    ("cancel", "compensated", "running"),
    // A person let the order wait on.
    ("warning", "told", "untold"),
    ("review", "approved", "open"),
    ("review", "rejected", "open"),
    ("review", "expired", "open"),
];

/// Whether a state may follow another.
pub(super) fn is_legal(machine: &str, from: &str, to: &str) -> bool {
    let all = PAIRS.iter().chain(RARE);
    from == to || all.copied().any(|pair| pair == (machine, from, to))
}

/// The type of the event by which an order enters a state.
pub(super) fn entered_by(status: &str) -> &'static str {
    match status {
        "PAID" => "order.paid",
        "CONFIRMED" => "order.confirmed",
        "SHIPPED" => "order.shipped",
        "DELIVERED" => "order.delivered",
        "CANCELLED" => "order.cancelled",
        "EXPIRED" => "order.expired",
        "REFUNDED" => "order.refunded",
        _ => "order.created",
    }
}

/// Whether an event says that an order enters a status.
pub(super) fn is_entry(kind: &str) -> bool {
    let all = [
        "PAID",
        "CONFIRMED",
        "SHIPPED",
        "DELIVERED",
        "CANCELLED",
        "EXPIRED",
        "REFUNDED",
    ];
    all.into_iter().any(|status| entered_by(status) == kind)
}
