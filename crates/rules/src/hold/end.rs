//! Ending a hold, and moving its deadline.

use super::{
    Asker, Change, Hold, Known, Line, LogTime, Millis, Operation, Quantity, Rejection, State,
    Wanted,
};
use crate::ids::Reference;
use crate::stock::Move;

/// The three ways in which a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its units are sold.
    Confirm,
    /// It is given back.
    Release,
    /// Its deadline passed.
    Expire,
}

/// Judges who asks and for which version; what every command on an existing hold begins with.
pub(super) fn admit<'a>(known: Option<Known<'a>>, asker: Asker<'_>) -> Result<&'a Hold, Rejection> {
    let known = known.ok_or(Rejection::NotFound)?;
    if asker
        .customer
        .is_some_and(|customer| *customer != known.hold.customer)
    {
        return Err(Rejection::NotFound);
    }
    if asker
        .expected
        .is_some_and(|expected| expected != known.version)
    {
        return Err(Rejection::Version);
    }
    Ok(known.hold)
}

/// The ending that stands in the way, if any. A live hold past its deadline counts as expired.
pub(super) fn ended(hold: &Hold, now: LogTime) -> Result<(), Rejection> {
    let ended_at = hold.ended_at.unwrap_or(hold.deadline);
    match hold.state {
        State::Held if hold.deadline <= now => Err(Rejection::Expired { ended_at }),
        State::Held => Ok(()),
        State::Confirming => Err(Rejection::Confirming),
        State::Confirmed => Err(Rejection::Confirmed { ended_at }),
        State::Released => Err(Rejection::Released { ended_at }),
        State::Expired => Err(Rejection::Expired { ended_at }),
    }
}

pub(super) fn end(hold: &Hold, ending: Ending, now: LogTime) -> Hold {
    let state = hold
        .state
        .next(ending)
        .expect("the guards let only a live hold come here");
    Hold {
        state,
        changed_at: Some(now),
        ended_at: Some(now),
        ..hold.clone()
    }
}

/// Judges a confirm. Without `lines` all units are sold; with them those units are sold and the
/// rest is released in the same commit. A hold confirmed before with the same lines is unchanged.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn confirm(
    known: Option<Known<'_>>,
    asker: Asker<'_>,
    lines: Option<&[Wanted]>,
    now: LogTime,
) -> Result<Change, Rejection> {
    let hold = admit(known, asker)?;
    if hold.state == State::Confirmed && sold_as_asked(hold, lines) {
        return Ok(Change::Unchanged);
    }
    ended(hold, now)?;
    let sold = share(hold, lines)?;

    // From here on it succeeds.
    let mut after = end(hold, Ending::Confirm, now);
    let mut moves = Vec::with_capacity(hold.lines.len());
    let reference = Reference::from(&hold.id);
    for (line, sold) in after.lines.iter_mut().zip(sold) {
        let rest = line.quantity.get() - sold;
        line.confirmed = Some(sold);
        line.released = Some(rest);
        for (operation, units) in [(Operation::Confirm, sold), (Operation::Release, rest)] {
            if let Ok(quantity) = Quantity::new(units) {
                moves.push(Move {
                    operation,
                    sku: line.sku.clone(),
                    location: line.location.clone(),
                    quantity,
                    reference: reference.clone(),
                });
            }
        }
    }
    Ok(Change::Changed(after, moves))
}

/// How many units of each of the hold's lines a confirm sells.
fn share(hold: &Hold, lines: Option<&[Wanted]>) -> Result<Vec<u64>, Rejection> {
    let Some(lines) = lines else {
        return Ok(hold.lines.iter().map(|line| line.quantity.get()).collect());
    };
    let mut sold = vec![0_u64; hold.lines.len()];
    for (number, wanted) in lines.iter().enumerate() {
        let beyond = Rejection::MoreThanHeld { line: number };
        let here = |line: &Line| line.sku == wanted.sku && line.location == wanted.location;
        let Some(index) = hold.lines.iter().position(here) else {
            return Err(beyond);
        };
        sold[index] += wanted.quantity.get();
        if sold[index] > hold.lines[index].quantity.get() {
            return Err(beyond);
        }
    }
    Ok(sold)
}

/// Whether a confirmed hold was confirmed with just these lines.
fn sold_as_asked(hold: &Hold, lines: Option<&[Wanted]>) -> bool {
    if lines.is_none() {
        return true;
    }
    let before = hold.lines.iter().map(|line| line.confirmed.unwrap_or(0));
    share(hold, lines).is_ok_and(|sold| sold.into_iter().eq(before))
}

/// Judges a release. A hold released before is unchanged.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn release(
    known: Option<Known<'_>>,
    asker: Asker<'_>,
    now: LogTime,
) -> Result<Change, Rejection> {
    let hold = admit(known, asker)?;
    if hold.state == State::Released {
        return Ok(Change::Unchanged);
    }
    ended(hold, now)?;

    // From here on it succeeds.
    let after = end(hold, Ending::Release, now);
    Ok(Change::Changed(after, hold.moves(Operation::Release)))
}

/// Judges an extend: the deadline becomes `ttl` from now, cut at `max_life` after the place and
/// never earlier than it was.
///
/// # Errors
/// The first [`Rejection`] that holds, in declared order.
pub fn extend(
    known: Option<Known<'_>>,
    asker: Asker<'_>,
    (ttl, max_life): (Millis, Millis),
    now: LogTime,
) -> Result<Hold, Rejection> {
    let hold = admit(known, asker)?;
    ended(hold, now)?;

    // From here on it succeeds.
    let wished = now.plus(ttl).min(hold.placed_at.plus(max_life));
    let deadline = wished.max(hold.deadline);
    Ok(Hold {
        deadline,
        changed_at: Some(now),
        ..hold.clone()
    })
}

/// Judges an expiry, at or after the deadline and never before it.
///
/// # Errors
/// [`Rejection::NotFound`], the ending that won, or [`Rejection::NotDue`].
pub fn expire(hold: Option<&Hold>, now: LogTime) -> Result<(Hold, Vec<Move>), Rejection> {
    let hold = hold.ok_or(Rejection::NotFound)?;
    if hold.state != State::Held {
        ended(hold, now)?;
    }
    if now < hold.deadline {
        return Err(Rejection::NotDue);
    }

    // From here on it succeeds.
    let after = end(hold, Ending::Expire, now);
    Ok((after, hold.moves(Operation::Expire)))
}
