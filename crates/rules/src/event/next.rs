//! The format after the one that was released, for tests only: what a next release might change.
//!
//! A build with the feature `next-format` plays that release beside a build without it. In its
//! format the balances that an event on stock shows are called `balances`, and no longer `stock`:
//! each build fails on the other's name, so that nothing is read by luck. No product is built so.

use super::{Kind, RELEASED, Upcaster};

/// The member with its bracket, then and next. A quotation mark within a JSON text is escaped, so
/// that neither stands in anybody's words.
const NAMES: [&str; 2] = ["\"stock\":[", "\"balances\":["];

const fn of(kind: Kind) -> Upcaster {
    Upcaster {
        kind,
        format: RELEASED,
        upcast: |data| {
            let known = data.contains(NAMES[0]);
            let renamed = || data.replacen(NAMES[0], NAMES[1], 1);
            known
                .then(renamed)
                .ok_or_else(|| "it shows no stock".to_owned())
        },
        downcast: |data| data.replacen(NAMES[1], NAMES[0], 1),
    }
}

/// One for each event that shows balances.
pub const UPCASTERS: &[Upcaster] = &[
    of(Kind::StockReceived),
    of(Kind::StockAdjusted),
    of(Kind::StockTransferred),
];
