//! A customer's share of a SKU: what `max_per_customer` limits.
//!
//! A unit counts when it was placed while its SKU had a limit, and for as long as a live hold has
//! it or it stays sold: the hold's line says so ([`super::Line::counted`]) from its first event on,
//! so that setting, changing or removing the limit later never changes what a share is made of.
//! The share is judged by a place; nothing else that a customer does can be refused for its sake.

use super::{Rejection, Supply};
use crate::ids::SkuId;
use crate::quantity::Quantity;
use crate::stock::Operation;

/// The refusal of the first SKU of which the wanted units and those that the customer has are more
/// than one customer may have. All lines of a SKU count together.
pub(super) fn beyond<'a>(
    wanted: impl Iterator<Item = (&'a SkuId, Quantity)> + Clone,
    supply: &[Supply<'_>],
) -> Option<Rejection> {
    let limited = supply.iter().filter_map(|supply| {
        let terms = supply.terms?;
        Some((&terms.sku, terms.max_per_customer?, supply.has))
    });
    limited
        .map(|(sku, most, has)| {
            let of_sku = wanted.clone().filter(|(wanted, _)| *wanted == sku);
            let after = of_sku.fold(has, |sum, (_, units)| sum.saturating_add(units.get()));
            (sku, most, has, after)
        })
        .find(|(_, most, _, after)| *after > most.get())
        .map(|(sku, most, has, _)| Rejection::LimitCustomer {
            sku: sku.clone(),
            most,
            has,
        })
}

/// Whether a move of counted units changes their customer's share.
#[must_use]
pub const fn moves_share(operation: Operation) -> bool {
    match operation {
        Operation::Hold
        | Operation::Release
        | Operation::Expire
        | Operation::Unsell
        | Operation::Return => true,
        Operation::Receive
        | Operation::Find
        | Operation::Confirm
        | Operation::Ship
        | Operation::Restock
        | Operation::ScrapAvailable
        | Operation::ScrapReturned
        | Operation::TransferOut
        | Operation::TransferIn => false,
    }
}

/// A customer's share after a move of counted units. Nothing if it had fewer than the move takes:
/// only a damaged store can say so.
#[must_use]
pub fn share_after(share: u64, operation: Operation, units: Quantity) -> Option<u64> {
    if operation == Operation::Hold {
        share.checked_add(units.get())
    } else if moves_share(operation) {
        share.checked_sub(units.get())
    } else {
        Some(share)
    }
}
