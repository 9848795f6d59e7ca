//! Taking units again for an order whose money came after its limit.

use super::place::is_limited;
use super::{Hold, HoldId, Line, LogTime, Operation, Quantity, Reference, State, Supply, share};
use crate::order::Order;
use crate::stock::Move;

/// Whether all of an order's units can be had: `supply` has one entry per line, in the same order.
/// Sale windows and the limit per order were judged when the order was taken; what one customer may
/// have is judged again, because the order's end gave its share back.
#[must_use]
pub fn is_spare(order: &Order, supply: &[Supply<'_>]) -> bool {
    let lines = order.lines.iter().zip(supply);
    let mut enough = lines.map(|(line, supply)| line.quantity.get() <= supply.available);
    let wanted = order.lines.iter().map(|line| (&line.sku, line.quantity));
    order.lines.len() == supply.len()
        && enough.all(|enough| enough)
        && share::beyond(wanted, supply).is_none()
}

/// A hold of the order's units that is confirmed at once, as it was placed and as it then stands,
/// and the moves of both. The caller saw in the same `supply` that they are spare.
#[must_use]
pub fn again(
    id: &HoldId,
    order: &Order,
    supply: &[Supply<'_>],
    now: LogTime,
) -> ([Hold; 2], Vec<Move>) {
    let line = |line: &crate::order::Line| Line {
        sku: line.sku.clone(),
        location: line.location.clone(),
        quantity: line.quantity,
        confirmed: None,
        released: None,
        counted: is_limited(&line.sku, supply),
    };
    let placed = Hold {
        id: id.clone(),
        customer: order.customer.clone(),
        state: State::Confirming,
        lines: order.lines.iter().map(line).collect(),
        placed_at: now,
        deadline: now,
        changed_at: None,
        ended_at: None,
        order: Some(order.id.clone()),
    };
    let (confirmed, sold) = super::close(&placed, super::Ending::Confirm, now)
        .expect("it was made confirming a moment ago");
    let mut moves = placed.moves(Operation::Hold);
    moves.extend(sold);
    ([placed, confirmed], moves)
}

impl Order {
    /// The moves that take `operation` over all of the order's units, or over some of them: lines
    /// by place in the order, with how many units.
    #[must_use]
    pub fn moves(&self, operation: Operation, lines: Option<&[(usize, Quantity)]>) -> Vec<Move> {
        let reference = self.holds.last().map(Reference::from);
        let reference = reference.expect("an order with units has a hold");
        let one = |place: usize, quantity: Quantity| Move {
            operation,
            sku: self.lines[place].sku.clone(),
            location: self.lines[place].location.clone(),
            quantity,
            reference: reference.clone(),
        };
        match lines {
            Some(lines) => lines
                .iter()
                .map(|(place, units)| one(*place, *units))
                .collect(),
            None => (0..self.lines.len())
                .map(|place| one(place, self.lines[place].quantity))
                .collect(),
        }
    }
}
