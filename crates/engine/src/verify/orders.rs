//! The fold of every order: whole while something may happen to it, a hash once it is quiet.
//!
//! An order's events carry what they changed, so its body has to be at hand to be changed. That of
//! a quiet order is let go and only its hash kept, about 100 bytes with its name; should something
//! be asked of it later, as a return, its story is read from the log again and must hash the same.
//! A row's events are taken one by one ([`super::change`] judges each step) and its orders are
//! judged as the row leaves them ([`super::money`]): within a row an order may be half-way.

use super::change;
use super::fold::{Fold, wrong};
use super::money;
use super::names::Of;
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use super::rows::same_id;
use super::shelf::{Made, Shelf, digest};
use super::stream::{Step, Stream};
use crate::chain::{Entry, EntryEvent};
use crate::commit::{Name, hold_name, order_name};
use crate::port::{Fault, Store};
use crate::story;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::{Order, Patch, Status, Units};
use evenkeel_rules::stock::Move;
use serde_json::json;

/// What is known of an order's body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, as JSON.
    Whole(Box<[u8]>),
    /// Its hash: nothing happens to it by itself any more.
    Quiet([u8; 16]),
    /// Nothing: some of its events are on rows that are lost.
    Unknown,
}

/// What is remembered of one order.
#[derive(Debug)]
pub(super) struct OrderFold {
    pub(super) stream: Stream,
    pub(super) body: Body,
    /// Where it is; as it was when its body was known last.
    pub(super) status: Status,
    /// Whether its end was ever asked for.
    pub(super) called_off: bool,
}

impl Made for OrderFold {
    fn created(&self) -> u64 {
        self.stream.created
    }
}

/// All orders.
pub(super) type Orders = Shelf<OrderFold>;

/// Hash of a body as it would be written.
pub(super) fn hash(order: &Order) -> [u8; 16] {
    digest(&text(order))
}

fn text(order: &Order) -> Vec<u8> {
    serde_json::to_vec(order).expect("an order is plain JSON")
}

impl Body {
    /// Whether a body is this one; nothing if this one is not known.
    pub(super) fn is(&self, order: &Order) -> Option<bool> {
        match self {
            Self::Whole(known) => Some(text(order) == **known),
            Self::Quiet(known) => Some(digest(&text(order)) == *known),
            Self::Unknown => None,
        }
    }

    /// One that is known.
    pub(super) fn whole(order: &Order) -> Self {
        Self::Whole(text(order).into())
    }

    /// Its hash, if it is known.
    pub(super) fn hash(&self) -> Option<[u8; 16]> {
        match self {
            Self::Whole(text) => Some(digest(text)),
            Self::Quiet(hash) => Some(*hash),
            Self::Unknown => None,
        }
    }

    fn of(order: Option<&Order>) -> Self {
        match order {
            Some(order) if order.is_quiet() => Self::Quiet(digest(&text(order))),
            Some(order) => Self::Whole(text(order).into()),
            None => Self::Unknown,
        }
    }

    fn read(&self) -> Option<Order> {
        match self {
            Self::Whole(text) => serde_json::from_slice(text).ok(),
            Self::Quiet(_) | Self::Unknown => None,
        }
    }
}

/// An order that the present row changes: as it stood before the row, and as it stands now.
#[derive(Debug)]
struct Open {
    index: u32,
    was: Option<Order>,
    now: Option<Order>,
}

/// What is remembered of the present row until its end.
#[derive(Debug, Default)]
pub(super) struct RowFold {
    orders: Vec<Open>,
    /// Events of holds that are for an order, as long as no event of that order explained them.
    holds: Vec<(Name, Name, Kind)>,
}

impl RowFold {
    /// Notes an event of a hold that is for an order.
    pub(super) fn note(&mut self, order: &OrderId, (hold, kind): (Name, Kind)) {
        self.holds.push((order_name(order), hold, kind));
    }

    /// Whether this row has one of these events of an order's hold; it explains no second change.
    pub(super) fn takes(&mut self, order: &Name, hold: &Name, kinds: &[Kind]) -> bool {
        let is_it =
            |it: &(Name, Name, Kind)| it.0 == *order && it.1 == *hold && kinds.contains(&it.2);
        let found = self.holds.iter().position(is_it);
        found.map(|at| self.holds.remove(at)).is_some()
    }
}

impl Fold {
    /// Takes an order's event in; whether the row's next moves are the event's.
    pub(super) fn order_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        moves: &mut std::slice::Iter<'_, Move>,
        book: &mut Book,
    ) -> Result<bool, String> {
        let id = OrderId::new(event.id()).map_err(|error| error.to_string())?;
        same_id(event, id.as_str())?;
        let name = order_name(&id);
        let index = self.orders.index(&name);
        let stream = index.map(|index| self.orders.get(index).stream);
        let (after, step) = self.advance(stream, event, book);
        self.born(stream, event, (name, Of::Order));
        let index = index.unwrap_or_else(|| self.first_heard(name, after));
        self.orders.get_mut(index).stream = after;
        let at = self.open(index);
        // Until its data was read nothing is known of it.
        let was = self.row.orders[at].now.take();
        let was = was.filter(|_| step != Step::Adopted);
        let now = self.body_after(event, &id, was.as_ref(), book)?;
        let fold = self.orders.get_mut(index);
        fold.called_off |= matches!(event.kind, Kind::CancelRequested | Kind::OrderCancelled);
        let agree = match &now {
            Some(now) => {
                fold.status = now.status;
                let pair = change::Pair {
                    was: was.as_ref().filter(|_| !event.kind.begins()),
                    now,
                    kind: event.kind,
                    at: entry.at,
                };
                self.changed(event, &pair, moves, book)
            }
            None => {
                change::skip_own(moves);
                true
            }
        };
        self.row.orders[at].now = now;
        Ok(agree)
    }

    fn first_heard(&mut self, name: Name, stream: Stream) -> u32 {
        let fold = OrderFold {
            stream,
            body: Body::Unknown,
            status: Status::Pending,
            called_off: false,
        };
        self.orders.push(name, fold)
    }

    /// Where an order was made; nothing if that is on a row that is lost.
    pub(super) fn order_made(&self, id: &str) -> Option<u64> {
        let id = OrderId::new(id).ok()?;
        let stream = self.orders.by_name(&order_name(&id))?.stream;
        (!stream.adopted).then_some(stream.created)
    }

    /// The place of an order among those of the present row.
    fn open(&mut self, index: u32) -> usize {
        let known = self.row.orders.iter().position(|open| open.index == index);
        known.unwrap_or_else(|| {
            let was = self.orders.get(index).body.read();
            let now = was.clone();
            self.row.orders.push(Open { index, was, now });
            self.row.orders.len() - 1
        })
    }

    /// The body after an event; nothing if the one before it is not known.
    fn body_after(
        &mut self,
        event: &EntryEvent,
        id: &OrderId,
        was: Option<&Order>,
        book: &mut Book,
    ) -> Result<Option<Order>, String> {
        if event.kind.begins() {
            let order: Order = event.data()?;
            privacy::members(event, &order, self.position, book);
            if order.id != *id {
                return Err(format!("its data is about {}", order.id));
            }
            return Ok(Some(order));
        }
        let patch: Patch = privacy::read(event, self.position, book)?;
        Ok(was.map(|order| patch.apply(order.clone())))
    }

    /// An order whose units were taken again has one more hold, placed and confirmed in this row;
    /// no other order gets one.
    fn taken_again(&mut self, book: &mut Book) {
        for at in 0..self.row.orders.len() {
            let Open { was, now, .. } = &self.row.orders[at];
            let Some((was, now)) = was.as_ref().zip(now.as_ref()) else {
                continue;
            };
            let again = was.units == Units::Free && now.units == Units::Sold;
            let fresh = now
                .holds
                .last()
                .filter(|_| now.holds.len() == was.holds.len() + 1);
            let fresh = fresh.map(|id| (order_name(&now.id), hold_name(id)));
            let same = now.holds.len() == was.holds.len();
            let draft = Draft {
                expected: json!({"holds": was.holds.len() + usize::from(again)}),
                found: json!({"holds": now.holds}),
                detail: "its holds in this row are not those that its units need".to_owned(),
                ..wrong(
                    Wrong::UnitsDiffer,
                    Subject::new("order", &now.id),
                    self.position,
                )
            };
            let agrees = fresh.map_or(same && !again, |(order, hold)| {
                again
                    && self.row.takes(&order, &hold, &[Kind::Held])
                    && self.row.takes(&order, &hold, &[Kind::Confirmed])
            });
            if !agrees {
                book.find(Invariant::I11, draft);
            }
        }
    }

    /// Judges the orders of the present row as it leaves them, and lets the quiet ones go.
    pub(super) fn end_row(&mut self, entry: &Entry, book: &mut Book) {
        self.taken_again(book);
        let RowFold { orders, holds } = std::mem::take(&mut self.row);
        let known = |name: &Name| {
            let index = self.orders.index(name);
            let open = orders.iter().find(|open| Some(open.index) == index);
            open.is_none_or(|open| open.now.is_some())
        };
        for (order, hold, kind) in holds {
            if known(&order) {
                money::unexplained((&hold, kind), entry, self.position, book);
            }
        }
        for Open { index, was, now } in orders {
            if let Some(now) = &now {
                money::judge(was.as_ref(), now, self.position, book);
            }
            self.orders.get_mut(index).body = Body::of(now.as_ref());
        }
    }
}

/// Reads the bodies of quiet orders again that a row is about to change.
///
/// # Errors
/// A [`Fault`] of the store; a story that cannot be read leaves the body unknown.
pub(super) async fn wake(store: &dyn Store, entry: &Entry, fold: &mut Fold) -> Result<(), Fault> {
    for event in &entry.events {
        if event.kind.aggregate() != Aggregate::Order {
            continue;
        }
        let name = OrderId::new(event.id()).ok().map(|id| order_name(&id));
        let Some(index) = name.and_then(|name| fold.orders.index(&name)) else {
            continue;
        };
        let known = fold.orders.get(index);
        let Body::Quiet(hashed) = known.body else {
            continue;
        };
        let body = match read(store, known.stream.last).await {
            Ok(body) => text(&body),
            Err(Fault::Corrupt(_)) => Vec::new(),
            Err(fault) => return Err(fault),
        };
        fold.orders.get_mut(index).body = if digest(&body) == hashed {
            Body::Whole(body.into())
        } else {
            Body::Unknown
        };
    }
    Ok(())
}

async fn read(store: &dyn Store, position: u64) -> Result<Order, Fault> {
    let entry = story::entry_at(store, position).await?;
    Ok(story::order_at(store, entry).await?.body)
}
