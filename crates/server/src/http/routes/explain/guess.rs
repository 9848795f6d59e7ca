//! What an id may be of, where nobody says of what; and which ids are near one that is of nothing.
//!
//! An id is looked up as each kind of thing in turn, the larger story first. What is no id of ours
//! may be a name that a provider gave, or a place in the log: those are looked for among the newest
//! orders and in the log. Nothing is guessed of an id that is there; near ids are only named.

use evenkeel_engine::explain::Subject;
use evenkeel_engine::port::{Fault, OrderRow, Store};
use evenkeel_engine::story::entry_at;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::ids::{CartId, HoldId, OrderId, SagaId, SkuId};
use evenkeel_rules::saga::journey::is_reserved;

/// As many of the newest of each kind are looked through.
const NEWEST: usize = 500;
/// As many near ids are named.
const NEAR: usize = 5;
/// Ids less alike than this, of at most 1, are not near.
const ALIKE: f64 = 0.8;

/// A kind in a path, and an id of it.
pub(super) type Named = (&'static str, String);

/// The saga of the engine's own with this id.
pub(super) fn own_saga(text: &str) -> Option<Subject> {
    let (_, order) = text.split_once(':').filter(|_| is_reserved(text))?;
    let order = OrderId::new(order).ok()?;
    Some(Subject::Saga(text.to_owned(), order))
}

/// Everything that has this id, the larger story first.
///
/// # Errors
/// A fault of the store.
pub(super) async fn of_id(store: &dyn Store, id: &str) -> Result<Vec<Subject>, Fault> {
    let mut found = Vec::new();
    if let Ok(id) = OrderId::new(id)
        && store.order(&id).await?.rows.is_some()
    {
        found.push(Subject::Order(id));
    }
    if let Ok(id) = CartId::new(id)
        && store.cart(&id).await?.rows.is_some()
    {
        found.push(Subject::Cart(id));
    }
    if let Some(Subject::Saga(saga, order)) = own_saga(id)
        && store.order(&order).await?.rows.is_some()
    {
        found.push(Subject::Saga(saga, order));
    }
    if let Ok(id) = SagaId::new(id)
        && store.saga(&id).await?.rows.is_some()
    {
        found.push(Subject::Journey(id));
    }
    if let Ok(id) = HoldId::new(id)
        && store.hold(&id).await?.rows.is_some()
    {
        found.push(Subject::Hold(id));
    }
    if let Ok(id) = SkuId::new(id)
        && store.sku(&id).await?.rows.is_some()
    {
        found.push(Subject::Sku(id));
    }
    if found.is_empty() {
        let orders = store.orders(u64::MAX, NEWEST).await?.rows;
        let order = orders.iter().find(|row| names(row, id));
        found.extend(order.map(|row| Subject::Order(row.body.id.clone())));
    }
    Ok(found)
}

/// Whether a provider, or a refund, knows the order by this name.
fn names(row: &OrderRow, id: &str) -> bool {
    let order = &row.body;
    let mut charges = order.payment.charges.iter();
    let mut refunds = order.refunds.iter();
    let parcel = order.shipment.as_ref();
    charges.any(|charge| charge.transaction == id)
        || refunds.any(|it| it.id.as_str() == id || it.transaction.as_deref() == Some(id))
        || parcel.is_some_and(|parcel| parcel.delivery.as_deref() == Some(id))
}

/// What a row of the log is about.
///
/// # Errors
/// A fault of the store.
pub(super) async fn at(store: &dyn Store, position: u64) -> Result<Option<Subject>, Fault> {
    if position == 0 || position > store.head().await?.position {
        return Ok(None);
    }
    let entry = entry_at(store, position).await?;
    let of = |aggregate: Aggregate| {
        let mut events = entry.events.iter();
        let event = events.find(|event| event.kind.aggregate() == aggregate)?;
        Some(event.id().to_owned())
    };
    let order = of(Aggregate::Order).and_then(|id| OrderId::new(&id).ok());
    let saga = of(Aggregate::Saga).and_then(|id| SagaId::new(&id).ok());
    let cart = of(Aggregate::Cart).and_then(|id| CartId::new(&id).ok());
    let hold = of(Aggregate::Hold).and_then(|id| HoldId::new(&id).ok());
    let sku = of(Aggregate::Stock).or_else(|| of(Aggregate::Sku));
    let sku = sku.and_then(|id| SkuId::new(&id).ok());
    let larger = order.map(Subject::Order).or(saga.map(Subject::Journey));
    let larger = larger.or(cart.map(Subject::Cart));
    Ok(larger.or(hold.map(Subject::Hold)).or(sku.map(Subject::Sku)))
}

/// The ids most like this one, among the newest of one kind or of all.
///
/// # Errors
/// A fault of the store.
pub(super) async fn near(
    store: &dyn Store,
    kind: Option<&str>,
    id: &str,
) -> Result<Vec<Named>, Fault> {
    let wanted = |of: &[&str]| kind.is_none_or(|kind| of.contains(&kind));
    let mut known: Vec<Named> = Vec::new();
    if wanted(&["order", "payment", "shipment"]) {
        let kind = match kind {
            Some("payment") => "payment",
            Some("shipment") => "shipment",
            _ => "order",
        };
        let rows = store.orders(u64::MAX, NEWEST).await?.rows;
        known.extend(rows.iter().map(|row| (kind, row.body.id.to_string())));
    }
    if wanted(&["cart"]) {
        let rows = store.carts(u64::MAX, NEWEST).await?.rows;
        known.extend(rows.iter().map(|row| ("cart", row.body.id.to_string())));
    }
    if wanted(&["saga"]) {
        let rows = store.sagas(u64::MAX, NEWEST).await?.rows;
        known.extend(rows.iter().map(|row| ("saga", row.body.id.to_string())));
    }
    if wanted(&["hold"]) {
        let rows = store.holds(u64::MAX, NEWEST).await?.rows;
        known.extend(rows.iter().map(|row| ("hold", row.hold.id.to_string())));
    }
    if wanted(&["sku"]) {
        let rows = store.skus(u64::MAX, NEWEST).await?.rows;
        known.extend(
            rows.iter()
                .map(|(row, _)| ("sku", row.sku.terms.sku.to_string())),
        );
    }
    Ok(nearest(id, known))
}

/// Those most like `id`, best first; what begins with it is most like it.
fn nearest(id: &str, known: Vec<Named>) -> Vec<Named> {
    let score = |named: &Named| match named.1.starts_with(id) {
        true => 2.0,
        false => strsim::jaro_winkler(id, &named.1),
    };
    let mut scored: Vec<(f64, Named)> = known.into_iter().map(|it| (score(&it), it)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    scored.truncate(NEAR);
    scored.into_iter().map(|(_, named)| named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_the_id_comes_first_and_what_is_unlike_it_not_at_all() {
        let known = ["o-71", "lamp", "o-17-b", "h-1"].map(|id| ("order", id.to_owned()));
        let near = nearest("o-17", known.to_vec());
        let ids: Vec<&str> = near.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids, ["o-17-b", "o-71"]);
    }

    #[test]
    fn only_a_few_are_named() {
        let known = (0..50).map(|number| ("hold", format!("h-{number}")));
        assert_eq!(nearest("h-", known.collect()).len(), NEAR);
    }
}
