//! Planted bugs: ports that lie.
//!
//! Each is a mistake that real systems have made, played by the simulated store or gate and never
//! by a branch in rules or engine. A simulator that does not catch them proves nothing, so each
//! names the invariant under which it must be caught. An honest world passes through the same
//! functions and nothing is bent.

use crate::faults::FaultKind;
use crate::world::World;
use evenkeel_engine::commit::Name;
use evenkeel_engine::port::{At, DueRow, Fault, HoldRow, Map, Place, Store, Touch, View, Writes};
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::HoldId;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

mod carts;
mod force;
mod gate;
mod gateway;
mod outlet;
mod writer;
use force::{force, force_shares};
pub(crate) use gate::DeafGate;
pub(crate) use gateway::{is_late, replied};
pub(crate) use outlet::{log, posted};
pub(crate) use writer::{cuts, fences, poisoned, starves, ticket};

macro_rules! planted {
    ($(#[doc = $doc:literal] $bug:ident = $name:literal, $invariant:literal;)*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Planted {
            $(#[doc = $doc] $bug,)*
        }

        impl Planted {
            /// Every planted bug.
            pub const ALL: &'static [Self] = &[$(Self::$bug,)*];

            /// The bug's name, as `--planted` takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }

            /// What it does, in words.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$bug => $doc.trim_ascii(),)*
                }
            }

            /// The invariant under which it must be caught.
            #[must_use]
            pub const fn invariant(self) -> &'static str {
                match self {
                    $(Self::$bug => $invariant,)*
                }
            }
        }
    };
}

planted! {
    /// The gate refuses without regard to names that are known: a winner's retry is sold out.
    AvailabilityBeforeDuplicates = "availability-before-duplicates", "I22";
    /// Keys and ids are durable before their effect; a crash in between leaves them alone.
    MarkBeforeEffect = "mark-before-effect", "I6";
    /// The expiry of a hold that has ended gives its units back again.
    ExpiryAsIncrement = "expiry-as-increment", "I3";
    /// The gate never hears of units that came back.
    DeafGate = "deaf-gate", "I22";
    /// Balances of before a foreign commit are shown as current, and no guard looks.
    StaleCache = "stale-cache", "I8";
    /// A row of a batch is missing from the log.
    SkippedPosition = "skipped-position", "I16";
    /// Outcomes are told before they are durable.
    EarlyAnswer = "early-answer", "I5";
    /// The log is durable before the state rows.
    SplitCommit = "split-commit", "I15";
    /// Nothing is ever found to be due.
    ForgottenSweep = "forgotten-sweep", "I18";
    /// The head forgets log time: each node's own clock is believed, however skewed.
    FallingTime = "falling-time", "I4";
    /// Some keys are shown as unknown, and no guard looks.
    ForgottenKeys = "forgotten-keys", "I6";
    /// The head lock does not lock, and no guard looks.
    NoLock = "no-lock", "I16";
    /// A batch that was committed is answered with a definite no.
    FalseNo = "false-no", "I5";
    /// Unknown outcomes are guessed to be good.
    GuessedYes = "guessed-yes", "I5";
    /// No order is ever found to be due.
    ForgottenOrders = "forgotten-orders", "I18";
    /// What was not answered is believed not to be done: only recorded charges are compensated.
    RecordedStepsOnly = "recorded-steps-only", "I10";
    /// A charge is carried out long after its order has ended, and nobody who asks is told.
    ChargeAfterCompensation = "charge-after-compensation", "I10";
    /// The payment provider's refunds know no keys: a repeat gives the money back again.
    RefundTwice = "refund-twice", "I6";
    /// A charge whose outcome is not known is taken for refused.
    TimeOutIsNo = "time-out-is-no", "I10";
    /// A charge that is pending is taken for money that is there.
    ConfirmWithoutCapture = "confirm-without-capture", "I11";
    /// Callbacks are answered and never stored.
    CallbackBeforeStored = "callback-before-stored", "I5";
    /// Whoever asks after the charge of an ended order is told that it was never seen.
    ForgottenWatch = "forgotten-watch", "I10";
    /// A step whose outcome is not known is taken for refused: only recorded steps are undone.
    RecordedSagaStepsOnly = "recorded-saga-steps-only", "I13";
    /// An undoing is taken for done that was never asked for.
    UndoneUnasked = "undone-unasked", "I13";
    /// Units that come back are not taken off their customer's share.
    ShareNotGivenBack = "share-not-given-back", "I8";
    /// A projection's checkpoint is durable before its rows; a crash in between loses them.
    CheckpointBeforeEffect = "checkpoint-before-effect", "I8";
    /// A read is answered as if it named no position.
    ReadIgnoresToken = "read-ignores-token", "I17";
    /// A parcel that could no longer be called off is taken for called off.
    RecallTooLate = "recall-too-late", "I11";
    /// A check-out is shown the holds of lost lines as if they had not ended.
    LostLineSold = "lost-line-sold", "I3";
    /// A check-out leaves the holds of its lines as they were.
    LineHoldsKept = "line-holds-kept", "I15";
    /// A page of the log lacks a row that is not visible yet, and cursors pass it.
    CursorPastRow = "cursor-past-row", "I9";
    /// Events are called delivered, and checkpoints pass them, while they wait in a node's memory.
    PostAfterCheckpoint = "post-after-checkpoint", "I9";
    /// Nothing gets through to a subscriber while any stream of it is parked.
    ParkedBlocks = "parked-blocks", "I18";
    /// Two relays share the events of a stream between them.
    TwoRelays = "two-relays", "I9";
    /// A writer that has lost the head lock writes all the same, and no guard looks.
    UnfencedWriter = "unfenced-writer", "I16";
    /// What became of a COMMIT is looked up without the lock that it still holds.
    UnlockedLookup = "unlocked-lookup", "I5";
    /// A batch with a commit that cannot be written is thrown away whole, and called durable.
    PoisonDropsBatch = "poison-drops-batch", "I5";
    /// A segment's file is called durable before it is: a machine that goes down takes it along.
    UnsyncedSegment = "unsynced-segment", "I16";
    /// One row more leaves the database than its segment has.
    TakenOutTooMuch = "taken-out-too-much", "I16";
    /// Nothing can be confirmed while the sweep has holds to end.
    SweepFirst = "sweep-first", "I18";
}

/// A planted bug as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: &'static str,
    /// The invariant under which it must be caught.
    pub invariant: &'static str,
    /// What it does, in words.
    pub what: &'static str,
}

/// Every planted bug with the invariant under which it must be caught.
#[must_use]
pub fn planted_list() -> Vec<Listed> {
    let all = Planted::ALL.iter();
    let listed = |bug: &Planted| Listed {
        name: bug.name(),
        invariant: bug.invariant(),
        what: bug.what(),
    };
    all.map(listed).collect()
}

impl Planted {
    /// The planted bug with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }

    /// Whether it is about subscribers, who live in no world with another bug.
    pub(crate) const fn is_of_outbox(self) -> bool {
        matches!(
            self,
            Self::CursorPastRow | Self::PostAfterCheckpoint | Self::ParkedBlocks | Self::TwoRelays
        )
    }

    /// Whether it is about the log's old part, which is archived in no world with another bug.
    pub(crate) const fn is_of_archive(self) -> bool {
        matches!(self, Self::UnsyncedSegment | Self::TakenOutTooMuch)
    }

    /// Whether the store's guards are off, so that the lie is not stopped by a belt.
    const fn is_unguarded(self) -> bool {
        matches!(
            self,
            Self::StaleCache
                | Self::ForgottenKeys
                | Self::NoLock
                | Self::UnfencedWriter
                | Self::MarkBeforeEffect
                | Self::ShareNotGivenBack
        )
    }
}

/// A part of a batch that is written in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything: the only honest one.
    All,
    /// Names alone.
    Names,
    /// All but the names.
    NotNames,
    /// Head, log and names alone.
    Log,
    /// State rows, balances and timers.
    Rows,
    /// All but the first log row.
    Skipping,
}

/// What lies need to remember.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What each node saw or wrote last.
    seen: BTreeMap<&'static str, Map<Place, Option<Balances>>>,
    /// Ended holds that were handed to a sweep as due.
    undead: BTreeSet<HoldId>,
    /// What providers said.
    heard: gateway::Heard,
}

/// The parts in which a batch becomes durable.
pub(crate) const fn parts(planted: Option<Planted>) -> &'static [Part] {
    match planted {
        Some(Planted::MarkBeforeEffect) => &[Part::Names, Part::NotNames],
        Some(Planted::SplitCommit) => &[Part::Log, Part::Rows],
        Some(Planted::SkippedPosition) => &[Part::Skipping],
        _ => &[Part::All],
    }
}

/// Polls a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(tokio::task::unconstrained(future));
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nobody else has the memory store's lock between two calls"),
    }
}

/// The same batch, taking the floor's own row out too.
fn one_more_out(writes: &Writes) -> Writes {
    let mut writes = writes.clone();
    if let Some((_, last)) = &mut writes.upkeep.taken_out {
        *last += u64::from(*last + 1 == writes.head.floor);
    }
    writes
}

/// Writes a part of a batch.
pub(crate) fn write(
    world: &World,
    by: &'static str,
    part: Part,
    writes: &Writes,
) -> Result<(), Fault> {
    if world.planted == Some(Planted::StaleCache) {
        let mut memory = world.memory.lock();
        let seen = memory.seen.entry(by).or_default();
        let rows = writes.balances.iter();
        seen.extend(rows.map(|write| (write.place.clone(), Some(write.now))));
    }
    let unguarded = world.planted.is_some_and(Planted::is_unguarded);
    let kept;
    let writes = match world.planted {
        Some(Planted::LineHoldsKept) => {
            kept = carts::without_ended(writes);
            &kept
        }
        Some(Planted::TakenOutTooMuch) => {
            kept = one_more_out(writes);
            &kept
        }
        _ => writes,
    };
    if part == Part::All && !unguarded {
        return at_once(async {
            let (locked, _) = world.store.lock(&Touch::default()).await?;
            locked.finish(writes).await
        });
    }
    world.store.edit(|tables| {
        force(tables, part, writes);
        if part != Part::Names && part != Part::Log {
            let keeps = world.planted == Some(Planted::ShareNotGivenBack);
            force_shares(tables, writes, keeps);
        }
    });
    Ok(())
}

/// What a node is shown under the lock.
pub(crate) async fn view(
    world: &World,
    node: &crate::node::Node,
    touch: &Touch,
) -> Result<View, Fault> {
    let (locked, mut view) = world.store.lock(touch).await?;
    drop(locked);
    match world.planted {
        Some(Planted::StaleCache) => {
            let mut memory = world.memory.lock();
            let seen = memory.seen.entry(node.name).or_default();
            for place in &touch.cached.balances {
                if let Some(row) = seen.get(place) {
                    view.balances.insert(place.clone(), *row);
                }
            }
            seen.extend(
                view.balances
                    .iter()
                    .map(|(place, row)| (place.clone(), *row)),
            );
        }
        // Told to the sweep, which has no keys: what a buyer is told of the hold is another lie.
        Some(Planted::ExpiryAsIncrement) if touch.keys.is_empty() => {
            let undead = &mut world.memory.lock().undead;
            for row in view.holds.values_mut().flatten() {
                if undead.remove(&row.hold.id) {
                    revive(row);
                }
            }
        }
        Some(Planted::LostLineSold) => carts::show_lost(touch, &mut view),
        Some(Planted::ForgottenSweep) if view.front.is_some() => view.front = Some(Vec::new()),
        Some(Planted::FallingTime) => view.head.time = LogTime::default(),
        Some(Planted::ForgottenKeys) => {
            for name in &touch.keys {
                if world.dice(|dice| dice.chance(200)) {
                    view.keys.insert(*name, None);
                }
            }
        }
        _ => {}
    }
    Ok(view)
}

/// Makes an ended hold look as if it had not.
fn revive(row: &mut HoldRow) {
    row.hold.state = State::Held;
    row.hold.ended_at = None;
    for line in &mut row.hold.lines {
        (line.confirmed, line.released) = (None, None);
    }
}

/// What the sweep is told to be due.
pub(crate) async fn due(
    world: &World,
    until: LogTime,
    limit: usize,
) -> Result<At<Vec<HoldRow>>, Fault> {
    let mut due = world.store.due(until, limit).await?;
    match world.planted {
        Some(Planted::ForgottenSweep) => due.rows.clear(),
        Some(Planted::ExpiryAsIncrement) => {
            let ended = |row: &&HoldRow| {
                matches!(row.hold.state, State::Confirmed | State::Released)
                    && row.hold.deadline <= until
            };
            let rows: Vec<HoldRow> = world
                .store
                .edit(|tables| tables.holds.values().filter(ended).cloned().collect());
            let undead = rows.iter().map(|row| row.hold.id.clone());
            world.memory.lock().undead.extend(undead);
            due.rows.extend(rows);
        }
        _ => {}
    }
    Ok(due)
}

/// Which orders and callbacks the runner is told to be due.
pub(crate) async fn due_rows(
    world: &World,
    until: LogTime,
    limit: usize,
) -> Result<At<Vec<DueRow>>, Fault> {
    let mut due = world.store.due_rows(until, limit).await?;
    if world.planted == Some(Planted::ForgottenOrders) {
        due.rows
            .retain(|row| matches!(row, DueRow::Callback(_) | DueRow::Saga(_)));
    }
    Ok(due)
}

/// Whether a name may be known.
pub(crate) fn may_know(world: &World, name: &Name) -> bool {
    world.planted != Some(Planted::AvailabilityBeforeDuplicates) && world.store.may_know(name)
}

/// Whether a name seems new. Where no guard looks, nothing would prove it.
pub(crate) fn seems_new(world: &World, name: &Name) -> bool {
    let unguarded = world.planted.is_some_and(Planted::is_unguarded);
    !unguarded && (!world.store.may_know(name) || world.fires(FaultKind::NameUnheard))
}

/// What is said of a batch that was looked up.
pub(crate) fn resolved(world: &World, known: Result<bool, Fault>) -> Result<bool, Fault> {
    match world.planted {
        Some(Planted::GuessedYes) => Ok(true),
        _ => known,
    }
}

/// Whether a batch is told to be durable and is thrown away.
pub(crate) fn drops(world: &World, writes: &Writes) -> bool {
    let stored = writes.callbacks.iter().filter(|write| write.was.is_none());
    let only = stored.count() == writes.log.len() && !writes.log.is_empty();
    only && world.planted == Some(Planted::CallbackBeforeStored) && world.any(4) == 0
}

/// What is said of a batch that is durable.
pub(crate) fn answer(world: &World) -> Result<(), Fault> {
    if world.planted == Some(Planted::FalseNo) && world.dice(|dice| dice.chance(30)) {
        return Err(Fault::Unavailable("no connection".to_owned()));
    }
    Ok(())
}
