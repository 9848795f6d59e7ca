//! What becomes of an order's units, in the same commit as the order.

use super::holds::Drafted;
use super::{Draft, Judge, Stop};
use crate::chain::hex;
use crate::commit::order_name;
use crate::port::OrderRow;
use evenkeel_rules::event::Kind;
use evenkeel_rules::hold::{self, Ending, Supply, Wanted};
use evenkeel_rules::ids::HoldId;
use evenkeel_rules::order::{Order, Status, UnitsChange};
use evenkeel_rules::stock::{Move, Operation};

/// What a commit is being made of: events and moves in order, and the holds among them, whose
/// drafts come first.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) drafts: Vec<Draft>,
    pub(super) moves: Vec<Move>,
    pub(super) holds: Vec<Drafted>,
}

impl Judge<'_> {
    /// Whether an expired order's units can be had again; not asked of any other.
    pub(super) fn spare(&self, order: &Order) -> Result<bool, Stop> {
        if order.status != Status::Expired {
            return Ok(false);
        }
        let again = again_id(order);
        if self.hold(&again)?.is_some() {
            return Ok(false);
        }
        Ok(hold::is_spare(order, &self.supply_of(order)?))
    }

    /// What the ledger says about each line of an order.
    fn supply_of(&self, order: &Order) -> Result<Vec<Supply<'_>>, Stop> {
        let wanted = |line: &evenkeel_rules::order::Line| Wanted {
            sku: line.sku.clone(),
            location: line.location.clone(),
            quantity: line.quantity,
        };
        let lines: Vec<Wanted> = order.lines.iter().map(wanted).collect();
        self.supply((&lines, Some(&order.customer)), &[])
    }

    /// Drafts what becomes of the units of an order that stands like this before the commit.
    pub(super) fn draft_units(
        &mut self,
        row: &OrderRow,
        order: &mut Order,
        change: &UnitsChange,
    ) -> Result<Facts, Stop> {
        let mut facts = Facts::default();
        match change {
            UnitsChange::None => {}
            UnitsChange::Confirm => {
                self.close_hold(&row.body, (Ending::Confirm, Kind::Confirmed), &mut facts)?;
            }
            UnitsChange::Release => {
                self.close_hold(&row.body, (Ending::Release, Kind::Released), &mut facts)?;
            }
            UnitsChange::Reacquire => {
                let id = again_id(&row.body);
                let supply = self.supply_of(&row.body)?;
                let ([placed, confirmed], moves) = hold::again(&id, &row.body, &supply, self.now);
                let (first, _) = self.draft_new(&mut facts.drafts, placed);
                let (last, _) =
                    self.draft(&mut facts.drafts, first, confirmed, (Kind::Confirmed, None));
                facts.holds.push((last, None));
                facts.moves = moves;
                order.holds.push(id);
            }
            UnitsChange::Unsell => facts.moves = row.body.moves(Operation::Unsell, None),
            UnitsChange::Ship => facts.moves = row.body.moves(Operation::Ship, None),
            UnitsChange::Return { lines, restock } => {
                let then = if *restock {
                    Operation::Restock
                } else {
                    Operation::ScrapReturned
                };
                facts.moves = row.body.moves(Operation::Return, Some(lines));
                facts.moves.extend(row.body.moves(then, Some(lines)));
            }
        }
        Ok(facts)
    }

    fn close_hold(
        &self,
        order: &Order,
        (ending, kind): (Ending, Kind),
        facts: &mut Facts,
    ) -> Result<(), Stop> {
        let id = order.holds.last();
        let id = id.ok_or_else(|| Stop::Corrupt(format!("order {} has no hold", order.id)))?;
        let row = self.hold(id)?.cloned();
        let row = row.ok_or_else(|| Stop::Corrupt(format!("hold {id} of an order is gone")))?;
        let closed = hold::close(&row.hold, ending, self.now);
        let (after, moves) = closed
            .ok_or_else(|| Stop::Corrupt(format!("hold {id} of an order is not confirming")))?;
        let was = Some(row.version);
        facts
            .holds
            .push(self.draft(&mut facts.drafts, row, after, (kind, was)));
        facts.moves = moves;
        Ok(())
    }
}

/// The id of the hold under which an expired order's units are taken again; there is one at most.
pub(super) fn again_id(order: &Order) -> HoldId {
    let hash = hex(&order_name(&order.id));
    HoldId::new(&format!("late:{hash}")).expect("a hash in hexadecimal is an id")
}
