//! The fold: what a page of the log makes of the rows that were there before it.
//!
//! It is pure but for the rows that it is handed, and takes nothing else: no clock, no store. An
//! event that cannot be folded is set aside with the reason and changes nothing; so is every later
//! event of its stream, because a stream that lost a version is not guessed at. Nothing that is set
//! aside stops the events of other streams.
//!
//! Rows that a page changes more than once are written once, at its end, in the order of their
//! keys: a hold that was placed and ended within the page is one row that is appended. What the
//! next pages will ask for is remembered, so that a row is looked up only when it is old.

use super::page::{Body, Fact, Page, Parsed, Wanted, projection_of};
use crate::port::{
    AuditRow, Fault, HoldView, Map, OrderView, OutboxRow, Place, Projection, Row, SetAside, SkuRow,
    Tables,
};
use crate::settle::orders::first_look;
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::ids::{HoldId, LocationId, OrderId, SkuId};
use evenkeel_rules::order::{Order, Patch, Tries};
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::{Balances, Move};
use evenkeel_rules::time::LogTime;

/// Orders that are remembered whole from page to page.
const ORDERS_MAX: usize = 20_000;
/// Rows of which only the place is remembered, about 100 bytes each; and SKUs with balances.
const PLACES_MAX: usize = 200_000;

/// What the pages before left. To be forgotten when a page was not committed.
#[derive(Debug, Default)]
pub(super) struct Warm {
    orders: Map<OrderId, OrderView>,
    /// What created the orders that are remembered whole no more.
    order_places: Map<OrderId, u64>,
    /// Holds that go on: what created them, and how many events they have.
    holds: Map<HoldId, (u64, u64)>,
    shelves: Map<SkuId, Map<LocationId, Shelf>>,
}

impl Warm {
    /// Makes room before a page.
    fn trim(&mut self) {
        if self.order_places.len() > PLACES_MAX {
            self.order_places.clear();
        }
        if self.orders.len() > ORDERS_MAX {
            let places = self.orders.drain().map(|(id, view)| (id, view.row.created));
            self.order_places.extend(places);
        }
        if self.holds.len() > PLACES_MAX {
            self.holds.clear();
        }
        if self.shelves.len() > PLACES_MAX {
            self.shelves.clear();
        }
    }
}

/// The balances of a place.
#[derive(Debug)]
struct Shelf {
    balances: Balances,
    /// The page that changed them last, by the position before it.
    changed: u64,
}

/// A hold as the page leaves it.
struct Held<'a> {
    created: u64,
    last: u64,
    version: u64,
    hold: &'a Hold,
    body: &'a str,
}

/// Whether rows are looked for that the log says are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginnings {
    /// They are not: the log is believed, and a second beginning of a name is refused when the
    /// page is written.
    Believed,
    /// They are, so that a second beginning is set aside.
    LookedUp,
}

/// One page on its way into the rows.
struct Folding<'a> {
    wanted: Wanted,
    beginnings: Beginnings,
    after: u64,
    tables: &'a mut dyn Tables,
    warm: &'a mut Warm,
    /// Those that the page changed; how they are now is in what is remembered.
    orders: Vec<OrderId>,
    holds: Map<&'a HoldId, Held<'a>>,
    skus: Map<SkuId, SkuRow>,
    /// Those whose balances the page changed.
    places: Vec<Place>,
}

/// Why an event is set aside, or why the whole page has to be folded again.
enum Stop {
    Aside(String),
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Folds a page into rows.
///
/// # Errors
/// A [`Fault`] of the rows.
pub(super) fn fold(
    page: &Page,
    (wanted, beginnings): (Wanted, Beginnings),
    warm: &mut Warm,
    tables: &mut dyn Tables,
) -> Result<(), Fault> {
    warm.trim();
    let mut folding = Folding {
        wanted,
        beginnings,
        after: page.after,
        tables,
        warm,
        orders: Vec::new(),
        holds: Map::default(),
        skus: Map::default(),
        places: Vec::new(),
    };
    for row in &page.rows {
        folding.row(row)?;
    }
    folding.end()
}

impl<'a> Folding<'a> {
    fn row(&mut self, row: &'a Parsed) -> Result<(), Fault> {
        if let Some(why) = &row.broken {
            for projection in Projection::ALL {
                if self.wanted.has(projection) {
                    self.aside(projection, (row.position, 0), why.clone())?;
                }
            }
            return Ok(());
        }
        for fact in &row.facts {
            self.fact(row, fact)?;
        }
        if let Some(why) = &row.broken_moves {
            for projection in [Projection::Stock, Projection::Audit] {
                if self.wanted.has(projection) {
                    self.aside(projection, (row.position, 0), why.clone())?;
                }
            }
        }
        for (index, made) in (0..).zip(&row.moves) {
            if self.wanted.has(Projection::Stock) {
                self.moved(made)?;
            }
            if self.wanted.has(Projection::Audit) {
                self.tables.add_audit(&AuditRow {
                    position: row.position,
                    index,
                    at: row.at,
                    made: made.clone(),
                })?;
            }
        }
        Ok(())
    }

    fn fact(&mut self, row: &'a Parsed, fact: &'a Fact) -> Result<(), Fault> {
        if fact.publishable {
            self.tables.add_outbox(&OutboxRow {
                position: row.position,
                index: fact.index,
                at: row.at,
                id: &fact.id,
                kind: &fact.kind,
                payload: row.data(fact),
            })?;
        }
        let at = (row.position, row.at);
        let (projection, done) = match (&fact.body, fact.aggregate) {
            (Body::Order(order), _) => (Projection::Orders, self.began(order, fact, at)),
            (Body::Patch(patch), _) => (Projection::Orders, self.changed(patch, fact, at)),
            (Body::Hold(hold), _) => {
                let done = self.held(hold, fact, (row.position, row.data(fact)));
                (Projection::Holds, done)
            }
            (Body::Sku(sku), _) => (Projection::Stock, self.listed(sku, fact.version, at)),
            (Body::Stock, _) => (Projection::Stock, self.counted(fact, at)),
            (Body::Other, _) | (Body::Broken(_), None) => return Ok(()),
            (Body::Broken(why), Some(aggregate)) => {
                let whose = projection_of(aggregate).unwrap_or(Projection::Outbox);
                (whose, Err(Stop::Aside(why.clone())))
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(Stop::Aside(why)) => self.aside(projection, (row.position, fact.index), why),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    fn aside(
        &mut self,
        projection: Projection,
        (position, index): (u64, u64),
        why: String,
    ) -> Result<(), Fault> {
        self.tables.set_aside(&SetAside {
            projection,
            position,
            index,
            why,
        })
    }

    /// Whether what an event is about may have a row. A row that is looked for costs a round trip
    /// where the rows are on a server.
    fn may_be_there(&self, fact: &Fact) -> bool {
        let begins = fact.previous == 0 && fact.version == 1;
        !begins || self.beginnings == Beginnings::LookedUp
    }

    fn began(&mut self, order: &Order, fact: &Fact, at: (u64, LogTime)) -> Result<(), Stop> {
        let known = self.order(&order.id, fact)?;
        follows(known.map(|view| view.row.version), fact.version)?;
        let view = view_of(order.clone(), (at.0, fact.version), at, None);
        self.orders.push(order.id.clone());
        self.warm.orders.insert(order.id.clone(), view);
        Ok(())
    }

    fn changed(&mut self, patch: &Patch, fact: &Fact, at: (u64, LogTime)) -> Result<(), Stop> {
        let id = OrderId::new(&fact.id).map_err(|error| Stop::Aside(error.to_string()))?;
        let view = self.order(&id, fact)?;
        follows(view.map(|view| view.row.version), fact.version)?;
        // What follows something has something before it.
        let Some(view) = self.warm.orders.remove(&id) else {
            return Err(Stop::Aside("the order was never begun".to_owned()));
        };
        if view.row.last <= self.after {
            self.orders.push(id.clone());
        }
        let of_money = patch.payment.is_some() || patch.refunds.is_some();
        let paid_at = if of_money { Some(at.1) } else { view.paid_at };
        let body = patch.clone().apply(view.row.body);
        let view = view_of(body, (view.row.created, fact.version), at, paid_at);
        self.warm.orders.insert(id, view);
        Ok(())
    }

    fn order(&mut self, id: &OrderId, fact: &Fact) -> Result<Option<&OrderView>, Fault> {
        if !self.warm.orders.contains_key(id) && self.may_be_there(fact) {
            let places = &self.warm.order_places;
            let near = places.get(id).copied().unwrap_or(fact.previous);
            if let Some(view) = self.tables.order(id, near)? {
                self.warm.orders.insert(id.clone(), view);
            }
        }
        Ok(self.warm.orders.get(id))
    }

    fn held(
        &mut self,
        hold: &'a Hold,
        fact: &Fact,
        (at, body): (u64, &'a str),
    ) -> Result<(), Stop> {
        let known = match self.holds.get(&hold.id) {
            Some(row) => Some((row.created, row.version)),
            None => match self.warm.holds.get(&hold.id) {
                Some(known) => Some(*known),
                None if self.may_be_there(fact) => self.tables.hold(&hold.id, fact.previous)?,
                None => None,
            },
        };
        follows(known.map(|(_, version)| version), fact.version)?;
        let row = Held {
            created: known.map_or(at, |(created, _)| created),
            last: at,
            version: fact.version,
            hold,
            body,
        };
        self.holds.insert(&hold.id, row);
        Ok(())
    }

    fn sku(&mut self, id: &SkuId) -> Result<Option<&mut SkuRow>, Fault> {
        if !self.skus.contains_key(id)
            && let Some(row) = self.tables.sku(id)?
        {
            self.skus.insert(id.clone(), row);
        }
        Ok(self.skus.get_mut(id))
    }

    fn listed(&mut self, sku: &Sku, version: u64, at: (u64, LogTime)) -> Result<(), Stop> {
        let known = self.sku(&sku.terms.sku)?;
        follows(known.as_ref().map(|row| row.version), version)?;
        if let Some(row) = known {
            (row.last, row.version, row.sku) = (at.0, version, sku.clone());
            return Ok(());
        }
        let row = SkuRow {
            created: at.0,
            last: at.0,
            version,
            sku: sku.clone(),
            stock_last: 0,
            stock_version: 0,
            locations: Vec::new(),
        };
        self.skus.insert(sku.terms.sku.clone(), row);
        Ok(())
    }

    fn counted(&mut self, fact: &Fact, at: (u64, LogTime)) -> Result<(), Stop> {
        let id = SkuId::new(&fact.id).map_err(|error| Stop::Aside(error.to_string()))?;
        let Some(row) = self.sku(&id)? else {
            return Err(Stop::Aside("the SKU was never listed".to_owned()));
        };
        follows(Some(row.stock_version), fact.version)?;
        (row.stock_last, row.stock_version) = (at.0, fact.version);
        Ok(())
    }

    fn moved(&mut self, made: &Move) -> Result<(), Fault> {
        let of_sku = self.warm.shelves.get_mut(&made.sku);
        if let Some(shelf) = of_sku.and_then(|shelves| shelves.get_mut(&made.location)) {
            if shelf.changed != self.after {
                let place = (made.sku.clone(), made.location.clone());
                self.places.push(place);
            }
            shelf.take(made, self.after);
            return Ok(());
        }
        let place = (made.sku.clone(), made.location.clone());
        let known = self.tables.balances(&place)?;
        if known.is_none()
            && let Some(row) = self.sku(&place.0)?
        {
            row.locations.push(place.1.clone());
        }
        let mut shelf = Shelf {
            balances: known.unwrap_or_default(),
            changed: self.after,
        };
        shelf.take(made, self.after);
        let of_sku = self.warm.shelves.entry(place.0.clone()).or_default();
        of_sku.insert(place.1.clone(), shelf);
        self.places.push(place);
        Ok(())
    }

    /// Writes what the page changed, oldest rows first, so that new ones are appended.
    fn end(self) -> Result<(), Fault> {
        let all = self.orders.iter().filter_map(|id| self.warm.orders.get(id));
        let mut orders: Vec<&OrderView> = all.collect();
        orders.sort_unstable_by_key(|view| view.row.created);
        for view in orders {
            self.tables.put_order(view)?;
        }
        let mut holds: Vec<Held<'_>> = self.holds.into_values().collect();
        holds.sort_unstable_by_key(|row| row.created);
        for row in &holds {
            self.tables.put_hold(&HoldView {
                created: row.created,
                last: row.last,
                version: row.version,
                hold: row.hold,
                body: row.body,
            })?;
            self.warm.keep(row);
        }
        let mut skus: Vec<SkuRow> = self.skus.into_values().collect();
        skus.sort_unstable_by_key(|row| row.created);
        for row in &skus {
            self.tables.put_sku(row)?;
        }
        let mut places = self.places;
        places.sort_unstable();
        for place in &places {
            let of_sku = self.warm.shelves.get(&place.0);
            if let Some(shelf) = of_sku.and_then(|shelves| shelves.get(&place.1)) {
                self.tables.put_balances(place, &shelf.balances)?;
            }
        }
        Ok(())
    }
}

impl Warm {
    /// Remembers a hold that goes on; a cart's may be placed again once it has ended.
    fn keep(&mut self, row: &Held<'_>) {
        let id = &row.hold.id;
        if matches!(row.hold.state, State::Held | State::Confirming) || id.is_of_cart() {
            self.holds.insert(id.clone(), (row.created, row.version));
        } else if !self.holds.is_empty() {
            self.holds.remove(id);
        }
    }
}

impl Shelf {
    fn take(&mut self, made: &Move, page: u64) {
        self.changed = page;
        self.balances = self.balances.folded(made.operation, made.quantity);
    }
}

/// Whether an event is the next one of its stream.
fn follows(known: Option<u64>, version: u64) -> Result<(), Stop> {
    let before = known.unwrap_or(0);
    if version == before + 1 {
        return Ok(());
    }
    let why = format!("version {version} does not follow version {before}");
    Err(Stop::Aside(why))
}

fn view_of(
    body: Order,
    (created, version): (u64, u64),
    (last, at): (u64, LogTime),
    paid_at: Option<LogTime>,
) -> OrderView {
    let row = Row {
        created,
        last,
        version,
        flagged: body.is_flagged(),
        due: first_look(&body, at),
        body,
        tries: Tries::default(),
    };
    OrderView {
        row,
        updated: at,
        paid_at,
    }
}
