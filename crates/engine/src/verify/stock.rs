//! Changes of stock by hand: the moves that each kind of event must have.
//!
//! A receive and an adjust are one line of the ledger, a transfer is two: what leaves one location
//! arrives at the other, unit for unit, in the same row.

use crate::body::StockData;
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::stock::{Move, Operation};

/// Whether the next moves are those of an event, which are taken.
pub(super) fn is_moved(
    kind: Kind,
    data: &StockData,
    moves: &mut std::slice::Iter<'_, Move>,
) -> bool {
    let mut next = |location: &LocationId, legal: &[Operation]| {
        let made = moves.next()?;
        let here = made.sku == data.sku && made.location == *location;
        (here && legal.contains(&made.operation)).then_some(made.quantity)
    };
    match (kind, &data.to) {
        (Kind::StockReceived, None) => next(&data.location, &[Operation::Receive]).is_some(),
        (Kind::StockAdjusted, None) => {
            let legal = [Operation::Find, Operation::ScrapAvailable];
            next(&data.location, &legal).is_some()
        }
        (Kind::StockTransferred, Some(to)) => {
            let left = next(&data.location, &[Operation::TransferOut]);
            left.is_some() && left == next(to, &[Operation::TransferIn]) && *to != data.location
        }
        _ => false,
    }
}
