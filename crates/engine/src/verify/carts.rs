//! Carts: their fold, their law, and their rows against it.
//!
//! Every event of a cart carries the whole of it. A line that is not lost has a live hold under its
//! own id, with the line's deadline, at the very row that says so: a line and its hold succeed
//! together or not at all. A cart that was checked out names an order that the same row took, and
//! stays as it is. A cart is remembered as hashes and the units of its lines.

use super::fold::Fold;
use super::names::Of;
use super::pages::{Beside, Pages, Read};
use super::privacy;
use super::report::{Book, Invariant, Subject};
use super::rest::{Resting, cart_digest};
use super::rows::{beyond, same_id};
use super::shelf::digest;
use super::stream::{Step, Stream};
use super::walk::{Sink, Walk};
use crate::chain::{Entry, EntryEvent};
use crate::commit::{cart_name, hold_name, order_name};
use crate::port::{At, CartRow, Fault, Store};
use evenkeel_rules::cart::{Cart, Line, State};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{CartId, HoldId, SkuId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is remembered of one cart.
#[derive(Debug)]
pub(super) struct CartFold {
    pub(super) stream: Stream,
    pub(super) body: [u8; 16],
    /// What a check-out does not change.
    core: [u8; 16],
    /// Units of its lines, those that were lost among them.
    units: Vec<(SkuId, u64)>,
}

impl CartFold {
    /// What an event that shows this cart leaves of it.
    pub(super) fn of(stream: Stream, cart: &Cart) -> Self {
        let units = |line: &Line| (line.sku.clone(), line.quantity.get());
        Self {
            stream,
            body: hash(cart),
            core: core_hash(cart, stream.kind == Kind::CartUpdated),
            units: cart.lines.iter().map(units).collect(),
        }
    }

    /// Units of a line; 0 if there is none.
    pub(super) fn units(&self, sku: &SkuId) -> u64 {
        let mut lines = self.units.iter();
        let line = lines.find(|(of, _)| of == sku);
        line.map_or(0, |(_, units)| *units)
    }
}

/// All carts.
pub(super) type Carts = BTreeMap<CartId, CartFold>;

pub(super) fn hash(of: &impl serde::Serialize) -> [u8; 16] {
    digest(&serde_json::to_vec(of).expect("a cart is plain JSON"))
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
        let cart: Cart = privacy::read(event, self.position, book)?;
        same_id(event, cart.id.as_str())?;
        let fold = self.carts.remove(&cart.id);
        let before = fold.as_ref().map(|fold| fold.stream);
        let (stream, step) = self.advance(before, event, book);
        self.born(before, event, (cart_name(&cart.id), Of::Cart));
        let known = fold.filter(|_| step == Step::Next);
        if let Some(what) = self.broken_cart(known.as_ref(), (entry, event), &cart) {
            self.illegal(event, what, book);
        }
        let fold = CartFold::of(stream, &cart);
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
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.carts(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) if to.fold.rest.is_some() => {
                to.fold.doubt(what);
                return Ok(());
            }
            Read::Unreadable(what) => {
                let made = to.fold.carts.iter_mut();
                let made = made.map(|(id, fold)| (id, &mut fold.stream));
                pages.pass_over(made, ("cart", &what), to.book);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|row| one(row, to));
                to.fold.read_down(Resting::Cart, pages.before);
            }
        }
    }
    to.fold.read_down(Resting::Cart, 0);
    let made = to.fold.carts.iter().map(|(id, fold)| (id, &fold.stream));
    pages.missing(made, "cart", to.book);
    Ok(())
}

fn one(row: &CartRow, to: &mut Sink<'_>) {
    beyond(row.last.max(row.created), "a cart", to);
    to.book.checked(Invariant::I15, 1);
    let known = to.fold.carts.get_mut(&row.body.id).map(|fold| {
        fold.stream.seen = true;
        let same = fold.body == hash(&row.body) && !row.flagged;
        (fold.stream, same)
    });
    if known.is_none() && to.fold.rests(row.last) {
        to.fold.note(Resting::Cart, cart_digest(row));
        return;
    }
    let beside = Beside {
        subject: Subject::new("cart", &row.body.id),
        place: [row.created, row.last, row.version],
        known,
    };
    let more = || (Value::Null, json!({"cart": row.body}));
    beside.differs(more, &mut to.fold.lost, to.book);
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
