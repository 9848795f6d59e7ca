//! A hold on its way through an order.

use super::end::{admit, end, ended};
use super::{Asker, Ending, Hold, Known, LogTime, Operation, Rejection, State};
use crate::ids::OrderId;
use crate::stock::Move;

/// Judges the beginning of an order on a live hold: its deadline counts no more from here on.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn begin(
    known: Option<Known<'_>>,
    asker: Asker<'_>,
    order: &OrderId,
    now: LogTime,
) -> Result<Hold, Rejection> {
    let hold = admit(known, asker)?;
    ended(hold, now)?;

    // From here on it succeeds.
    Ok(Hold {
        state: State::Confirming,
        order: Some(order.clone()),
        changed_at: Some(now),
        ..hold.clone()
    })
}

/// Ends a confirming hold for its order: its units are sold, or given back. Nothing if it is not
/// confirming, which only a damaged store can bring about.
#[must_use]
pub fn close(hold: &Hold, ending: Ending, now: LogTime) -> Option<(Hold, Vec<Move>)> {
    let operation = match ending {
        Ending::Confirm => Operation::Confirm,
        Ending::Release => Operation::Release,
        Ending::Expire => return None,
    };
    if hold.state != State::Confirming {
        return None;
    }
    let mut after = end(hold, ending, now);
    if ending == Ending::Confirm {
        for line in &mut after.lines {
            (line.confirmed, line.released) = (Some(line.quantity.get()), Some(0));
        }
    }
    Some((after, hold.moves(operation)))
}
