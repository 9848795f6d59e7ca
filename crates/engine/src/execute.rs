//! The one command path.
//!
//! A request goes through `execute` in numbered steps: what needs no state, the gate, the rows
//! that the command touches, the [`Commit`], the committer, the answer. Nothing is decided here
//! but by the gate, which may only say no; every yes is the judge's.

use crate::commit::{
    Command, Commit, Effect, Key, Name, Outcome, Rejection, hold_name, order_name,
};
use crate::engine::Shared;
use crate::limits;
use crate::meter::SPANS;
use crate::port::{Fault, Place, Rows, Touch};
use crate::queue::{Full, Told, Waiting};
use crate::settle::allocation;
use crate::settle::carts::cart_wants;
use crate::settle::orders::{add_wants, take_wants};
use crate::settle::shares::counted_shares;
use crate::settle::subscriptions;
use crate::story;
use evenkeel_rules::hold::{self, Hold};
use evenkeel_rules::idempotency;
use evenkeel_rules::ids::{CustomerId, SkuId, TokenId};
use evenkeel_rules::order::Order;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::LogTime;
use tokio::sync::oneshot;
use tracing::Instrument as _;

/// A command, and who asks for it how.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// The caller's name for it. A command without a key is not protected from being sent twice.
    pub key: Option<Key>,
    /// The token that asks.
    pub actor: TokenId,
    /// The customer whose holds the asker may see; nothing means every customer's.
    pub owner: Option<CustomerId>,
    /// The version that the asker expects (`If-Match`).
    pub expected: Option<u64>,
    /// When the work is not to be begun any more, by the wall clock.
    pub deadline: Option<LogTime>,
}

/// A request that was accepted, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Where its effect stands in the log.
    pub position: u64,
    /// What it left.
    pub effect: Effect,
    /// Whether it is the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// A request that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The rules said no.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// Where the ledger or the gate stood: the refusal's `as_of`.
        position: u64,
        /// Whether it is the answer to an earlier request with the same key.
        replayed: bool,
    },
    /// The machinery failed; only [`Fault::TimedOut`] leaves the outcome open.
    Failed(Fault),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// Takes a client's request from the door to its answer. It is refused when it would wait too
/// long, and not begun when it did: its client has given up by then, or soon will.
///
/// # Errors
/// A [`Refusal`]. After [`Fault::TimedOut`] the same request with the same key gives the answer.
pub(crate) async fn execute(shared: &Shared, request: Request) -> Result<Done, Refusal> {
    let mono = shared.clock.mono();
    let begin_by = mono + shared.options.wait / 2;
    let own = begin_before(shared, &request)?;
    let left = own.map_or(shared.options.queue_wait, |own| own.saturating_sub(mono));
    let patience = Patience {
        wait: Some(left.min(shared.options.queue_wait)),
        begin_by: Some(own.map_or(begin_by, |own| own.min(begin_by))),
    };
    let _admitted = door(shared, &request).await?;
    let told = Box::pin(commit(shared, request, (patience, None))).await;
    if own.is_some_and(|own| own <= begin_by) {
        return told;
    }
    answered(shared, told)
}

/// Takes one of the engine's own requests to its answer; it waits as long as it takes. Who has just
/// seen the order that it is about saves reading it.
///
/// # Errors
/// As [`execute`].
pub(crate) async fn execute_own(
    shared: &Shared,
    request: Request,
    seen: Option<&Order>,
) -> Result<Done, Refusal> {
    let _admitted = door(shared, &request).await?;
    let patience = Patience::default();
    Box::pin(commit(shared, request, (patience, seen))).await
}

/// How long a request may wait for its batch.
#[derive(Debug, Clone, Copy, Default)]
struct Patience {
    /// As far as can be told when it comes.
    wait: Option<std::time::Duration>,
    /// The monotonic time until which it must be begun.
    begin_by: Option<std::time::Duration>,
}

/// The answer to one whose time ran out that it had not set itself: ask again.
fn answered(shared: &Shared, told: Result<Done, Refusal>) -> Result<Done, Refusal> {
    told.map_err(|refusal| match refusal {
        Refusal::Failed(Fault::DeadlinePassed) => {
            shared.at_door.overload_refused.increment(1);
            Fault::Unavailable("it waited too long to be begun".to_owned()).into()
        }
        other => other,
    })
}

/// Why the queue does not take a commit, as a definite no.
fn not_taken(shared: &Shared, full: Full) -> Fault {
    Fault::Unavailable(match full {
        Full::Busy => {
            shared.at_door.overload_refused.increment(1);
            "too much is waiting".to_owned()
        }
        Full::Closed => "the engine is stopping".to_owned(),
    })
}

/// What is refused before a row is looked at. It needs little, and borrows the request: a refusal
/// is the most frequent answer of a sale, and futures are moved with all that they may come to
/// need. What is given counts as its customer's until it is dropped.
async fn door<'a>(
    shared: &'a Shared,
    request: &Request,
) -> Result<Option<limits::Permit<'a>>, Refusal> {
    // 1. What needs no state.
    if let Some(key) = &request.key
        && shared.unresolved.contains(&key.name)
    {
        return Err(rejected(
            idempotency::Rejection::InFlight.into(),
            shared.gate.position(),
        ));
    }

    let wanted = wanted(&request.command);
    let id = wanted.as_ref().map(|(_, id)| *id);
    let admitted = limits::admit(shared, request, id).await?;

    // 2. The gate may say no.
    if let Some((lines, id)) = wanted
        && let Some((sku, position)) = gate_refuses(shared, (lines, &id), request.key.as_ref())
    {
        shared.at_door.gate_refused.increment(1);
        return Err(rejected(hold::Rejection::SoldOut { sku }.into(), position));
    }

    Ok(admitted)
}

/// The units that a command wants set aside, and the name of what they are set aside for.
fn wanted(command: &Command) -> Option<(&[hold::Wanted], Name)> {
    match command {
        Command::Place(place) => Some((&place.lines, hold_name(&place.id))),
        // A hold that is given has its units already.
        Command::TakeOrder { ask, .. } if ask.hold.is_none() => {
            Some((&ask.lines, order_name(&ask.id)))
        }
        _ => None,
    }
}

/// Takes a request that nothing at the door had anything against to its answer.
async fn commit(
    shared: &Shared,
    request: Request,
    (patience, seen): (Patience, Option<&Order>),
) -> Result<Done, Refusal> {
    // 3. Which rows it touches; no row is read for what would not be taken.
    let admitted = shared.queue.admits(request.command.lane(), patience.wait);
    admitted.map_err(|full| not_taken(shared, full))?;
    let touch = touch_of(shared, &request.command, seen).await?;

    // 4. The commit.
    let Request {
        command,
        key,
        actor,
        owner,
        expected,
        ..
    } = request;
    let commit = Commit {
        command,
        key,
        actor,
        owner,
        expected,
        touch,
    };

    // 5. The committer.
    let span = tracing::trace_span!(target: SPANS, "commit", command = commit.command.name());
    let (answer, told) = oneshot::channel();
    let waiting = Waiting {
        commit,
        answer,
        deadline: patience.begin_by,
        widened: 0,
    };
    let taken = shared.queue.push_within(waiting, patience.wait);
    taken.map_err(|full| not_taken(shared, full))?;
    let told = wait(shared, told).instrument(span).await?;

    // 6. The answer.
    answer_of(shared, told).await
}

/// Asks for one of the engine's own changes; what it left.
///
/// # Errors
/// As [`execute`].
pub(crate) async fn engine_asks(shared: &Shared, command: Command) -> Result<Effect, Refusal> {
    engine_notes(shared, command, None).await
}

/// The same about an order as it was seen just now: it says what the command touches, unless it
/// has changed since, which the judge finds out.
///
/// # Errors
/// As [`execute`].
pub(crate) async fn engine_notes(
    shared: &Shared,
    command: Command,
    seen: Option<&Order>,
) -> Result<Effect, Refusal> {
    let request = Request {
        command,
        key: None,
        actor: TokenId::new("engine").expect("a well-formed id"),
        owner: None,
        expected: None,
        deadline: None,
    };
    Ok(execute_own(shared, request, seen).await?.effect)
}

/// The monotonic time until which the work must be begun.
fn begin_before(
    shared: &Shared,
    request: &Request,
) -> Result<Option<std::time::Duration>, Refusal> {
    let Some(deadline) = request.deadline else {
        return Ok(None);
    };
    let now = shared.clock.now();
    if deadline <= now {
        return Err(Fault::DeadlinePassed.into());
    }
    let left = std::time::Duration::from_millis(now.until(deadline).0);
    Ok(Some(shared.clock.mono() + left))
}

/// Whether the gate says no: too few units at its position, nothing due, and neither key nor id
/// known, so that the winner's retry always reaches the ledger. The first SKU that is short.
fn gate_refuses(
    shared: &Shared,
    (lines, id): (&[hold::Wanted], &Name),
    key: Option<&Key>,
) -> Option<(SkuId, u64)> {
    let (now, mono) = (shared.clock.now(), shared.clock.mono());
    let (sku, position) = lines.iter().find_map(|line| {
        let position = line_refused(shared, line, (now, mono))?;
        Some((line.sku.clone(), position))
    })?;
    let known = key.is_some_and(|key| shared.store.may_know(&key.name))
        || shared.store.may_know(id)
        || shared.store.known_to() < position;
    if known {
        shared.at_door.gate_unsure.increment(1);
        return None;
    }
    Some((sku, position))
}

/// Where the gate stood when it said no to a line. One that leaves its location open is refused
/// only where all that it may come from are empty, and were so at one position.
fn line_refused(
    shared: &Shared,
    line: &hold::Wanted,
    (now, mono): (LogTime, std::time::Duration),
) -> Option<u64> {
    if !line.is_anywhere() {
        return shared.gate.refuses(std::slice::from_ref(line), now, mono);
    }
    let mut seen = None;
    for location in allocation::locations(line, &shared.options.allocation) {
        let one = hold::Wanted {
            sku: line.sku.clone(),
            location,
            quantity: Quantity::ONE,
        };
        let position = shared.gate.refuses(&[one], now, mono)?;
        if seen.is_some_and(|seen| seen != position) {
            return None;
        }
        seen = Some(position);
    }
    seen
}

/// The rows that a command touches, and those of what is to take effect with it.
async fn touch_of(
    shared: &Shared,
    command: &Command,
    seen: Option<&Order>,
) -> Result<Touch, Fault> {
    let mut all = touch(shared, command, seen).await?;
    if let Command::Subscription(asked) = command
        && let Some(effect) = asked.effect()
    {
        all.widen(touch(shared, effect, None).await?);
    }
    Ok(all)
}

/// Rows that a change of stock by hand is about: two places for a transfer.
fn changed_rows(command: &Command) -> Rows {
    let Command::ChangeStock {
        sku,
        location,
        change,
        ..
    } = command
    else {
        return Rows::default();
    };
    let locations = std::iter::once(location).chain(change.arrives());
    Rows {
        skus: vec![sku.clone()],
        balances: locations
            .map(|location| (sku.clone(), location.clone()))
            .collect(),
    }
}

async fn touch(shared: &Shared, command: &Command, seen: Option<&Order>) -> Result<Touch, Fault> {
    let mut touch = Touch::default();
    match command {
        // They touch the head alone, or what they name.
        Command::Erase { .. } | Command::Beat { .. } => {}
        Command::RaiseFormat | Command::Restored | Command::Upkeep(_) => {}
        Command::PutSku { terms } => touch.rows.skus.push(terms.sku.clone()),
        Command::ChangeStock { .. } => touch.rows = changed_rows(command),
        Command::Place(place) => {
            touch.holds.push(place.id.clone());
            let balances = allocation::places(&place.lines, &shared.options.allocation);
            let skus = place.lines.iter().map(|line| line.sku.clone()).collect();
            touch.rows = Rows { skus, balances };
        }
        Command::Confirm { id, .. }
        | Command::Release { id }
        | Command::Extend { id, .. }
        | Command::Expire { id } => {
            touch.holds.push(id.clone());
            if let Some(row) = shared.store.hold(id).await?.rows {
                touch.shares = counted_shares(&row.hold);
                touch.rows.balances = places_of(row.hold);
            }
        }
        Command::CreateToken { id, .. } | Command::RevokeToken { id } => {
            touch.tokens.push(id.clone());
        }
        Command::TakeOrder { ask, .. } => touch = take_wants(ask, &shared.options.allocation),
        Command::CancelOrder { id, .. }
        | Command::RefundOrder { id, .. }
        | Command::ReturnOrder { id, .. }
        | Command::ResolveOrder { id, .. }
        | Command::Report { id, .. }
        | Command::WarnOrder { id, .. } => {
            touch.orders.push(id.clone());
            if let Some(order) = seen {
                add_wants(&mut touch, order);
            } else if let Some(row) = shared.store.order(id).await?.rows {
                add_wants(&mut touch, &row.body);
            }
        }
        Command::BeginCart { .. } => touch = cart_wants(command, None),
        Command::SetLine { id, .. } | Command::CheckOut { id, .. } => {
            let row = shared.store.cart(id).await?.rows;
            touch = cart_wants(command, row.as_ref().map(|row| &row.body));
        }
        Command::StartSaga { ask, .. } => touch.sagas.push(ask.id.clone()),
        Command::RetrySaga { id, .. }
        | Command::CompensateSaga { id, .. }
        | Command::ReportStep { id, .. } => touch.sagas.push(id.clone()),
        Command::StoreCallback(received) => {
            touch.keys.push(Key::of_callback(received).name);
            if let Some(row) = shared.store.order(&received.order).await?.rows {
                add_wants(&mut touch, &row.body);
            }
            touch.orders.push(received.order.clone());
        }
        Command::ApplyCallback { created, .. } => {
            touch.callbacks.push(*created);
            if let Some(row) = shared.store.callback(*created).await?.rows {
                let order = row.body.order;
                if let Some(row) = shared.store.order(&order).await?.rows {
                    add_wants(&mut touch, &row.body);
                }
                touch.orders.push(order);
            }
        }
        Command::Subscription(asked) => touch = subscriptions::wants(asked.id()),
    }
    Ok(touch)
}

/// Where a hold's units are; its lines never change once it is placed.
fn places_of(hold: Hold) -> Vec<Place> {
    let lines = hold.lines.into_iter();
    lines.map(|line| (line.sku, line.location)).collect()
}

async fn wait(shared: &Shared, told: oneshot::Receiver<Told>) -> Result<Outcome, Refusal> {
    let told = tokio::select! {
        biased;
        told = told => told,
        () = shared.clock.sleep(shared.options.wait) => return Err(Fault::TimedOut.into()),
    };
    // A committer that went away without a word may have committed.
    Ok(told.map_err(|_| Fault::TimedOut)??)
}

fn rejected(rejection: Rejection, position: u64) -> Refusal {
    Refusal::Rejected {
        rejection,
        position,
        replayed: false,
    }
}

async fn answer_of(shared: &Shared, told: Outcome) -> Result<Done, Refusal> {
    match told {
        Outcome::Accepted { position, effect } | Outcome::Unchanged { position, effect } => {
            Ok(Done {
                position,
                effect,
                replayed: false,
            })
        }
        Outcome::Replay { position } => {
            let effect = story::effect_at(&*shared.store, position).await?;
            Ok(Done {
                position,
                effect,
                replayed: true,
            })
        }
        Outcome::ReplayRefused(rejection) => {
            let position = shared.store.head().await?.position;
            Err(Refusal::Rejected {
                rejection,
                position,
                replayed: true,
            })
        }
        Outcome::Refused {
            rejection,
            position,
        } => Err(rejected(rejection, position)),
    }
}
