//! Carts: their fold, their law, and their rows against it.
//!
//! Every event of a cart carries the whole of it. A line that is not lost has a live hold under its
//! own id, with the line's deadline, at the very row that says so: a line and its hold succeed
//! together or not at all. A cart that was checked out names an order that the same row took, and
//! stays as it is. A cart is remembered as hashes and the units of its lines.

use super::fold::{Fold, NameCheck, Step, Stream, wrong};
use super::lives::unreadable;
use super::names::Of;
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use super::rows::same_id;
use super::rows::{PAGE, beyond};
use super::walk::{Sink, Walk};
use crate::chain::{Entry, EntryEvent};
use crate::commit::{cart_name, hold_name, order_name};
use crate::port::{At, CartRow, Fault, Store};
use evenkeel_rules::cart::{Cart, Line, State};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{CartId, HoldId, SkuId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is remembered of one cart.
#[derive(Debug)]
pub(super) struct CartFold {
    stream: Stream,
    body: [u8; 16],
    /// What a check-out does not change.
    core: [u8; 16],
    /// Units of its lines, those that were lost among them.
    units: Vec<(SkuId, u64)>,
    /// A state row was found for it.
    seen: bool,
}

impl CartFold {
    /// Units of a line; 0 if there is none.
    pub(super) fn units(&self, sku: &SkuId) -> u64 {
        let mut lines = self.units.iter();
        let line = lines.find(|(of, _)| of == sku);
        line.map_or(0, |(_, units)| *units)
    }
}

/// All carts.
pub(super) type Carts = BTreeMap<CartId, CartFold>;

fn hash(of: &impl serde::Serialize) -> [u8; 16] {
    let text = serde_json::to_vec(of).expect("a cart is plain JSON");
    let whole: [u8; 32] = Sha256::digest(text).into();
    *whole
        .first_chunk()
        .expect("a SHA-256 is longer than 16 bytes")
}

/// What a check-out does not change; without the lines, what nothing changes.
fn core_hash(cart: &Cart, lines: bool) -> [u8; 16] {
    let lines = if lines { &cart.lines[..] } else { &[] };
    hash(&(&cart.customer, cart.created_at, lines))
}

impl Fold {
    /// Takes the event of a cart in.
    pub(super) fn cart_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Result<bool, String> {
        let cart: Cart = event.data().inspect_err(|what| {
            if what.starts_with("unknown field") {
                privacy::stranger(event, what, self.position, book);
            }
        })?;
        privacy::members(event, &cart, self.position, book);
        same_id(event, cart.id.as_str())?;
        let fold = self.carts.remove(&cart.id);
        let before = fold.as_ref().map(|fold| fold.stream);
        let step = self.step(before.as_ref(), event, book);
        let follows = Kind::may_follow(before.map(|stream| stream.kind), event.kind);
        if !follows && matches!(step, Step::Next) {
            self.illegal(event, "it may not follow the event before it", book);
        }
        if before.is_none() && event.previous == 0 {
            self.names.push(NameCheck {
                name: cart_name(&cart.id),
                position: self.position,
                fingerprint: [0; 16],
                of: Of::Cart,
            });
        }
        let known = fold.filter(|_| matches!(step, Step::Next));
        if let Some(what) = self.broken_cart(known.as_ref(), (entry, event), &cart) {
            self.illegal(event, what, book);
        }
        let fold = CartFold {
            stream: Self::after(before, event, &step, self.position),
            body: hash(&cart),
            core: core_hash(&cart, event.kind == Kind::CartUpdated),
            units: cart
                .lines
                .iter()
                .map(|line| (line.sku.clone(), line.quantity.get()))
                .collect(),
            seen: false,
        };
        self.carts.insert(cart.id, fold);
        Ok(true)
    }

    /// What is wrong with what an event leaves of its cart, if anything.
    fn broken_cart(
        &self,
        known: Option<&CartFold>,
        (entry, event): (&Entry, &EntryEvent),
        cart: &Cart,
    ) -> Option<&'static str> {
        if event.version == 1 && (cart.created_at != entry.at || !cart.lines.is_empty()) {
            return Some("no cart begins like this");
        }
        // What its holds and its order are may be on a row that is lost.
        if !self.lost.gone.is_empty() {
            return None;
        }
        match (event.kind, cart.state, &cart.order) {
            (Kind::CartUpdated, State::Open, None) => {
                let held = |line: &Line| line.lost || self.is_held(cart, line);
                (!cart.lines.iter().all(held)).then_some("a line of it has no hold")
            }
            (Kind::CartCheckedOut, State::CheckedOut, Some(order)) => {
                let same = known.is_none_or(|fold| fold.core == core_hash(cart, true));
                if !same {
                    return Some("its lines are not those that it had");
                }
                let order = self.orders.index(&order_name(order));
                let order = order.map(|index| self.orders.get(index).stream.created);
                (order != Some(self.position)).then_some("its order was not taken with it")
            }
            _ => Some("its state is not what it did"),
        }
    }

    fn is_held(&self, cart: &Cart, line: &Line) -> bool {
        let name = hold_name(&HoldId::of_cart(&cart.id, &line.sku));
        let hold = self.holds.index(&name).map(|index| self.holds.get(index));
        hold.is_some_and(|hold| hold.is_live() && hold.deadline == line.deadline)
    }
}

/// Compares every cart's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn rows(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let store = walk.store;
    let (mut before, mut limit, mut first) = (u64::MAX, PAGE, None);
    loop {
        let page = match store.carts(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let older = to.fold.carts.iter_mut();
                let older = older.filter(|(_, fold)| fold.stream.created < before);
                let Some((id, fold)) = older.max_by_key(|(_, fold)| fold.stream.created) else {
                    break;
                };
                fold.seen = true;
                before = fold.stream.created;
                unreadable(Subject::new("cart", id), (before, &what), to.book);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for row in &page.rows {
            one(row, to);
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    missing(first.unwrap_or(0), to);
    Ok(())
}

fn told(fold: &CartFold) -> Value {
    let stream = &fold.stream;
    json!({"created": stream.created, "last": stream.last, "version": stream.version,
        "event": stream.kind.name()})
}

fn one(row: &CartRow, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "a cart", to);
    to.book.checked(Invariant::I15, 1);
    let lost = &mut to.fold.lost;
    let excused = lost.explains(row.created) || lost.explains(row.last);
    let fold = to.fold.carts.get_mut(&row.body.id);
    let (same, expected, last) = fold.map_or((false, Value::Null, row.last), |fold| {
        fold.seen = true;
        (is_fold(fold, row), told(fold), fold.stream.last)
    });
    if !same && !excused && !to.fold.lost.explains(last) {
        let draft = Draft {
            expected,
            found: json!({"created": row.created, "last": row.last, "version": row.version,
                "cart": row.body}),
            detail: "the row is not the fold of its stream".to_owned(),
            ..wrong(
                Wrong::StateEdited,
                Subject::new("cart", &row.body.id),
                row.last,
            )
        };
        to.book.find(Invariant::I15, draft);
    }
}

fn is_fold(fold: &CartFold, row: &CartRow) -> bool {
    let stream = &fold.stream;
    (stream.adopted || stream.created == row.created)
        && stream.last == row.last
        && (stream.gapped || stream.version == row.version)
        && fold.body == hash(&row.body)
        && !row.flagged
}

fn missing(first: u64, to: &mut Sink<'_>) {
    for (id, fold) in &to.fold.carts {
        let stream = &fold.stream;
        if fold.seen || stream.created > first || stream.adopted {
            continue;
        }
        let draft = Draft {
            expected: told(fold),
            detail: "the log began this cart; its row is gone".to_owned(),
            ..wrong(Wrong::StateEdited, Subject::new("cart", id), stream.last)
        };
        to.book.find(Invariant::I15, draft);
    }
}

/// Whether a cart's row is what an event of it says; nothing if it does not tell.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn vouches(
    store: &dyn Store,
    event: &EntryEvent,
    position: u64,
) -> Result<Option<bool>, Fault> {
    let Ok(cart) = event.data::<Cart>() else {
        return Ok(Some(false));
    };
    let row = match store.cart(&cart.id).await {
        Ok(At { rows, .. }) => rows,
        Err(Fault::Corrupt(_)) => None,
        Err(fault) => return Err(fault),
    };
    Ok(row.and_then(|row| {
        if row.last == position {
            return Some(row.body == cart);
        }
        // It was changed since; what never changes must be the same.
        let same = core_hash(&row.body, false) == core_hash(&cart, false);
        if same { None } else { Some(false) }
    }))
}
