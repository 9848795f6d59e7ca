//! Taking units again for an order whose money came after its limit.

use super::{Hold, HoldId, Line, LogTime, Operation, Quantity, Reference, State};
use crate::order::Order;
use crate::stock::Move;

/// Whether all of an order's units can be had: `available` has one number per line, what its SKU
/// and location have. Sale windows and limits were judged when the order was taken.
#[must_use]
pub fn is_spare(order: &Order, available: &[u64]) -> bool {
    let lines = order.lines.iter().zip(available);
    let mut enough = lines.map(|(line, units)| line.quantity.get() <= *units);
    order.lines.len() == available.len() && enough.all(|enough| enough)
}

/// A hold of the order's units that is confirmed at once, as it was placed and as it then stands,
/// and the moves of both. The caller saw that they are spare.
#[must_use]
pub fn again(id: &HoldId, order: &Order, now: LogTime) -> ([Hold; 2], Vec<Move>) {
    let line = |line: &crate::order::Line| Line {
        sku: line.sku.clone(),
        location: line.location.clone(),
        quantity: line.quantity,
        confirmed: None,
        released: None,
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
