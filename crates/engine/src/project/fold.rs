//! The fold: what a page of the log makes of the rows that were there before it.
//!
//! It is pure but for the rows that it is handed, and takes nothing else: no clock, no store. An
//! event that cannot be folded is set aside with the reason and changes nothing; so is every later
//! event of its stream, because a stream that lost a version is not guessed at. Nothing that is set
//! aside stops the events of other streams.
//!
//! Rows that a page changes more than once are written once, at its end.

use super::page::{Body, Fact, Page, Parsed, Wanted};
use crate::port::{
    AuditRow, Fault, HoldRow, Map, OrderView, OutboxRow, Place, Projection, Row, SetAside, SkuRow,
    Tables,
};
use crate::settle::orders::first_look;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{HoldId, OrderId, SkuId};
use evenkeel_rules::order::{Order, Patch, Tries};
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::{Account, Balances, Move};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeSet;

/// Orders that are remembered from page to page.
const WARM_MAX: usize = 20_000;

/// Orders as the pages before left them. To be forgotten when a page was not committed.
#[derive(Debug, Default)]
pub(super) struct Warm {
    orders: Map<OrderId, OrderView>,
}

/// One page on its way into the rows.
struct Folding<'a> {
    wanted: Wanted,
    tables: &'a mut dyn Tables,
    warm: &'a mut Warm,
    orders: BTreeSet<OrderId>,
    holds: Map<HoldId, HoldRow>,
    skus: Map<SkuId, SkuRow>,
    balances: Map<Place, Balances>,
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
    wanted: Wanted,
    warm: &mut Warm,
    tables: &mut dyn Tables,
) -> Result<(), Fault> {
    if warm.orders.len() > WARM_MAX {
        warm.orders.clear();
    }
    let mut folding = Folding {
        wanted,
        tables,
        warm,
        orders: BTreeSet::new(),
        holds: Map::default(),
        skus: Map::default(),
        balances: Map::default(),
    };
    for row in &page.rows {
        folding.row(row)?;
    }
    folding.end()
}

impl Folding<'_> {
    fn row(&mut self, row: &Parsed) -> Result<(), Fault> {
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

    fn fact(&mut self, row: &Parsed, fact: &Fact) -> Result<(), Fault> {
        if let Some(payload) = &fact.payload {
            self.tables.add_outbox(&OutboxRow {
                position: row.position,
                index: fact.index,
                at: row.at,
                id: &fact.id,
                kind: &fact.kind,
                payload,
            })?;
        }
        let at = (row.position, row.at);
        let (projection, done) = match (&fact.body, fact.aggregate) {
            (Body::Order(order), _) => (Projection::Orders, self.began(order, fact.version, at)),
            (Body::Patch(patch), _) => (Projection::Orders, self.changed(patch, fact, at)),
            (Body::Hold(hold), _) => (Projection::Holds, self.held(hold, fact.version, at)),
            (Body::Sku(sku), _) => (Projection::Stock, self.listed(sku, fact.version, at)),
            (Body::Stock, _) => (Projection::Stock, self.counted(fact, at)),
            (Body::Other, _) | (Body::Broken(_), None) => return Ok(()),
            (Body::Broken(why), Some(aggregate)) => {
                let stop = Err(Stop::Aside(why.clone()));
                (projection_of(aggregate), stop)
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

    fn began(&mut self, order: &Order, version: u64, at: (u64, LogTime)) -> Result<(), Stop> {
        let known = self.order(&order.id)?.map(|view| view.row.version);
        follows(known, version)?;
        let view = view_of(order.clone(), (at.0, version), at, None);
        self.put(view);
        Ok(())
    }

    fn changed(&mut self, patch: &Patch, fact: &Fact, at: (u64, LogTime)) -> Result<(), Stop> {
        let id = OrderId::new(&fact.id).map_err(|error| Stop::Aside(error.to_string()))?;
        let view = self.order(&id)?;
        follows(view.map(|view| view.row.version), fact.version)?;
        // What follows something has something before it.
        let Some(view) = self.warm.orders.remove(&id) else {
            return Err(Stop::Aside("the order was never begun".to_owned()));
        };
        let of_money = patch.payment.is_some() || patch.refunds.is_some();
        let paid_at = if of_money { Some(at.1) } else { view.paid_at };
        let body = patch.clone().apply(view.row.body);
        let view = view_of(body, (view.row.created, fact.version), at, paid_at);
        self.put(view);
        Ok(())
    }

    fn put(&mut self, view: OrderView) {
        let id = view.row.body.id.clone();
        self.orders.insert(id.clone());
        self.warm.orders.insert(id, view);
    }

    fn order(&mut self, id: &OrderId) -> Result<Option<&OrderView>, Fault> {
        if !self.warm.orders.contains_key(id)
            && let Some(view) = self.tables.order(id)?
        {
            self.warm.orders.insert(id.clone(), view);
        }
        Ok(self.warm.orders.get(id))
    }

    fn held(&mut self, hold: &Hold, version: u64, at: (u64, LogTime)) -> Result<(), Stop> {
        let known = match self.holds.get(&hold.id) {
            Some(row) => Some((row.created, row.version)),
            // A first event has nothing before it, unless the log is damaged.
            None => self.tables.hold(&hold.id)?,
        };
        follows(known.map(|(_, version)| version), version)?;
        let row = HoldRow {
            created: known.map_or(at.0, |(created, _)| created),
            last: at.0,
            version,
            hold: hold.clone(),
        };
        self.holds.insert(hold.id.clone(), row);
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
        let place = (made.sku.clone(), made.location.clone());
        if !self.balances.contains_key(&place) {
            let known = self.tables.balances(&place)?;
            let is_new = known.is_none();
            self.balances
                .insert(place.clone(), known.unwrap_or_default());
            if is_new && let Some(row) = self.sku(&place.0)? {
                row.locations.push(place.1.clone());
            }
        }
        let balances = self.balances.entry(place).or_default();
        let (from, to) = made.operation.accounts();
        let mut raw = balances.raw();
        for (account, units) in [
            (from, -made.quantity.signed()),
            (to, made.quantity.signed()),
        ] {
            let slot = Account::ALL.iter().position(|each| *each == account);
            let slot = slot.expect("every account is in the list");
            raw[slot] = raw[slot].saturating_add(units);
        }
        *balances = Balances::from_raw(raw);
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
        let mut holds: Vec<HoldRow> = self.holds.into_values().collect();
        holds.sort_unstable_by_key(|row| row.created);
        for row in &holds {
            self.tables.put_hold(row)?;
        }
        let mut skus: Vec<SkuRow> = self.skus.into_values().collect();
        skus.sort_unstable_by_key(|row| row.created);
        for row in &skus {
            self.tables.put_sku(row)?;
        }
        let mut balances: Vec<(Place, Balances)> = self.balances.into_iter().collect();
        balances.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (place, balances) in &balances {
            self.tables.put_balances(place, balances)?;
        }
        Ok(())
    }
}

const fn projection_of(aggregate: Aggregate) -> Projection {
    match aggregate {
        Aggregate::Order => Projection::Orders,
        Aggregate::Hold => Projection::Holds,
        Aggregate::Sku | Aggregate::Stock => Projection::Stock,
        _ => Projection::Outbox,
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
