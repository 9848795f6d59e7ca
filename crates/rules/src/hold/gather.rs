//! Taking a cart's holds together into the one hold of its order.

use super::place::is_limited;
use super::{Asker, Hold, HoldId, Known, Line, LogTime, Operation, Rejection, State, Supply};
use super::{release, share};
use crate::stock::Move;

/// Gives live holds back and sets their units aside again, as one hold, at once: nobody can take
/// them in between. The hold as it stands then, the given ones as they end, and the moves of all.
/// `supply` has one entry per line of the holds, in order. What one customer may have is judged
/// again, because a limit may have been set since; the rest was judged when they were placed.
///
/// # Errors
/// [`Rejection`] of the first hold that is not live, or [`Rejection::LimitCustomer`].
pub fn gather(
    id: &HoldId,
    holds: &[&Hold],
    supply: &[Supply<'_>],
    now: LogTime,
) -> Result<(Hold, Vec<Hold>, Vec<Move>), Rejection> {
    let lines = || holds.iter().flat_map(|hold| &hold.lines);
    let first = holds.first().ok_or(Rejection::NotFound)?;
    let (mut ended, mut moves) = (Vec::with_capacity(holds.len()), Vec::new());
    for hold in holds {
        super::end::ended(hold, now)?;
        let known = Known { hold, version: 0 };
        let change = release(Some(known), Asker::default(), now)?;
        if let super::Change::Changed(after, freed) = change {
            ended.push(after);
            moves.extend(freed);
        }
    }
    let own = lines().zip(supply).map(|(line, supply)| Supply {
        has: supply.has.saturating_sub(own_share(line)),
        ..*supply
    });
    let own: Vec<Supply<'_>> = own.collect();
    let wanted = lines().map(|line| (&line.sku, line.quantity));
    if let Some(refused) = share::beyond(wanted, &own) {
        return Err(refused);
    }

    // From here on it succeeds.
    let line = |line: &Line| Line {
        counted: is_limited(&line.sku, supply),
        ..line.clone()
    };
    let gathered = Hold {
        id: id.clone(),
        customer: first.customer.clone(),
        state: State::Held,
        lines: lines().map(line).collect(),
        placed_at: now,
        deadline: holds.iter().map(|hold| hold.deadline).min().unwrap_or(now),
        changed_at: None,
        ended_at: None,
        order: None,
    };
    moves.extend(gathered.moves(Operation::Hold));
    Ok((gathered, ended, moves))
}

/// Units of a line that its customer's share has already.
pub(crate) fn own_share(line: &Line) -> u64 {
    if line.counted { line.quantity.get() } else { 0 }
}
