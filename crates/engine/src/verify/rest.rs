//! What a seal lets rest: streams to which nothing happened since.
//!
//! A seal does not list holds, orders, sagas, carts and callbacks. Of each kind it has the number
//! and one sum over all of them, of where each stood and a hash of its body. The rows that were
//! not written since must come to the same sum: one that was edited, removed or put there changes
//! it. Which one it was a sum does not tell; then all is folded from zero.
//!
//! A stream to which something happens is woken first: taken out of the sum, as the log says that
//! its last event before the seal left it.

use super::callbacks::{CallbackFold, core_hash};
use super::carts;
use super::fold::Fold;
use super::holds::{HoldFold, body_hash};
use super::orders::{self, OrderFold};
use super::sagas;
use super::shelf::digest;
use crate::callback::{Callback, SetAside, State};
use crate::commit::Name;
use crate::port::{CallbackRow, CartRow, HoldRow, OrderRow, SagaRow};
use evenkeel_rules::hold;
use evenkeel_rules::order::Status;
use evenkeel_rules::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kinds of streams that rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resting {
    Hold,
    Order,
    Saga,
    Cart,
    Callback,
    /// Orders that lists show: all but rejected ones.
    Shown,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 6;

/// A number of streams, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    count: u64,
    sum: [u64; 2],
}

impl Sum {
    pub(super) fn add(&mut self, digest: u128) {
        self.count = self.count.wrapping_add(1);
        self.set(self.sum().wrapping_add(digest));
    }

    fn take(&mut self, digest: u128) {
        self.count = self.count.wrapping_sub(1);
        self.set(self.sum().wrapping_sub(digest));
    }

    fn sum(self) -> u128 {
        u128::from(self.sum[0]) << 64 | u128::from(self.sum[1])
    }

    fn set(&mut self, sum: u128) {
        let bytes = sum.to_be_bytes();
        let half = |from: usize| {
            bytes[from..]
                .first_chunk()
                .map_or(0, |it| u64::from_be_bytes(*it))
        };
        self.sum = [half(0), half(8)];
    }
}

/// What rests.
#[derive(Debug)]
pub(super) struct Rest {
    /// The seal's position.
    pub(super) position: u64,
    /// What must be found.
    expected: [Sum; KINDS],
    noted: [Sum; KINDS],
    /// Rows created from here on were read.
    read_to: [u64; KINDS],
    /// Live holds among the rows that were read.
    live: BTreeMap<u64, LogTime>,
    /// Why all has to be folded from zero, if it has to be.
    doubt: Option<String>,
}

impl Rest {
    pub(super) fn new(position: u64, expected: [Sum; KINDS]) -> Self {
        Self {
            position,
            expected,
            noted: [Sum::default(); KINDS],
            read_to: [u64::MAX; KINDS],
            live: BTreeMap::new(),
            doubt: None,
        }
    }

    /// What is left of it; nothing once rows were read.
    pub(super) fn left(&self) -> [Sum; KINDS] {
        self.expected
    }

    pub(super) fn expected(&self, of: Resting) -> Sum {
        self.expected[of as usize]
    }

    /// Whether the rows that were read are those that rest.
    pub(super) fn doubt(&self) -> Option<String> {
        let compared = [
            Resting::Hold,
            Resting::Order,
            Resting::Saga,
            Resting::Cart,
            Resting::Callback,
        ];
        let differs = |of: &Resting| self.expected[*of as usize] != self.noted[*of as usize];
        let differing = compared.into_iter().find(differs);
        let sums = || differing.map(|of| format!("the sum of resting {of:?}s is another"));
        self.doubt.clone().or_else(sums)
    }
}

impl Fold {
    /// Whether a row that was written last at this position may rest.
    pub(super) fn rests(&self, last: u64) -> bool {
        let rest = self.rest.as_ref();
        rest.is_some_and(|rest| last <= rest.position)
    }

    /// Says why all has to be folded from zero.
    pub(super) fn doubt(&mut self, what: String) {
        if let Some(rest) = &mut self.rest {
            rest.doubt.get_or_insert(what);
        }
    }

    /// Takes the row of a resting stream in.
    pub(super) fn note(&mut self, of: Resting, digest: u128) {
        if let Some(rest) = &mut self.rest {
            rest.noted[of as usize].add(digest);
        }
    }

    pub(super) fn note_hold(&mut self, row: &HoldRow) {
        self.note(Resting::Hold, hold_digest(row));
        if let Some(rest) = &mut self.rest
            && row.hold.state == hold::State::Held
        {
            rest.live.insert(row.created, row.hold.deadline);
        }
    }

    /// All rows of a kind that were created from a position on were read.
    pub(super) fn read_down(&mut self, of: Resting, to: u64) {
        if let Some(rest) = &mut self.rest {
            rest.read_to[of as usize] = to;
        }
    }

    /// Takes a stream out of what rests; whether its row was read already.
    pub(super) fn woken(&mut self, of: Resting, (created, digest): (u64, u128)) -> bool {
        let Some(rest) = &mut self.rest else {
            return false;
        };
        if created >= rest.read_to[of as usize] {
            rest.live.remove(&created);
            return true;
        }
        rest.expected[of as usize].take(digest);
        false
    }

    /// Live holds that rest: where each was made, and its deadline.
    pub(super) fn resting_live(&self) -> impl Iterator<Item = (u64, LogTime)> {
        let live = self.rest.iter().flat_map(|rest| &rest.live);
        live.map(|(created, deadline)| (*created, *deadline))
    }

    /// The sums over all streams, resting or not; nothing if one of them is not known.
    pub(super) fn sums(&self) -> Option<[Sum; KINDS]> {
        let mut sums = self.rest.as_ref().map_or_else(Default::default, Rest::left);
        for fold in self.holds.iter() {
            let place = [fold.created, fold.last, u64::from(fold.version)];
            sums[Resting::Hold as usize].add(combined(place, &fold.body));
        }
        for fold in self.orders.iter() {
            let digest = combined(fold.stream.place(), &fold.body.hash()?);
            sums[Resting::Order as usize].add(digest);
            if fold.status != Status::Rejected {
                sums[Resting::Shown as usize].add(digest);
            }
        }
        for fold in self.sagas.values() {
            sums[Resting::Saga as usize].add(combined(fold.stream.place(), &fold.hash()?));
        }
        for fold in self.carts.values() {
            sums[Resting::Cart as usize].add(combined(fold.stream.place(), &fold.body));
        }
        for fold in self.callbacks.values() {
            let digest = callback_of(fold, fold.core?);
            sums[Resting::Callback as usize].add(digest);
        }
        Some(sums)
    }

    /// Takes a hold back that rested.
    pub(super) fn wake_hold(&mut self, name: Name, mut fold: HoldFold) {
        let place = [fold.created, fold.last, u64::from(fold.version)];
        let digest = combined(place, &fold.body);
        fold.seen = self.woken(Resting::Hold, (fold.created, digest));
        self.holds.wake(name, fold);
    }

    /// Takes an order back that rested.
    pub(super) fn wake_order(&mut self, name: Name, mut fold: OrderFold, body: [u8; 16]) {
        let place = fold.stream.place();
        let digest = combined(place, &body);
        fold.stream.seen = self.woken(Resting::Order, (place[0], digest));
        if fold.status != Status::Rejected {
            self.woken(Resting::Shown, (place[0], digest));
        }
        self.orders.wake(name, fold);
    }
}

/// Where a stream stands and what it is, in one number.
pub(super) fn combined(place: [u64; 3], body: &[u8; 16]) -> u128 {
    let mut text = [0; 40];
    for (at, number) in place.iter().enumerate() {
        text[at * 8..][..8].copy_from_slice(&number.to_be_bytes());
    }
    text[24..].copy_from_slice(body);
    u128::from_be_bytes(digest(&text))
}

/// The same of a row; `is_right` says whether what is not in its body is as its body has it.
fn of_row(place: [u64; 3], body: &[u8; 16], is_right: bool) -> u128 {
    let digest = combined(place, body);
    if is_right { digest } else { !digest }
}

pub(super) fn hold_digest(row: &HoldRow) -> u128 {
    let place = [row.created, row.last, row.version];
    combined(place, &body_hash(&row.hold))
}

pub(super) fn order_digest(row: &OrderRow) -> u128 {
    let place = [row.created, row.last, row.version];
    let body = orders::hash(&row.body);
    of_row(place, &body, row.flagged == row.body.is_flagged())
}

pub(super) fn saga_digest(row: &SagaRow) -> u128 {
    let place = [row.created, row.last, row.version];
    let body = sagas::hash(&row.body);
    of_row(place, &body, row.flagged == row.body.is_flagged())
}

pub(super) fn cart_digest(row: &CartRow) -> u128 {
    let place = [row.created, row.last, row.version];
    of_row(place, &carts::hash(&row.body), !row.flagged)
}

pub(super) fn callback_digest(row: &CallbackRow) -> u128 {
    let Callback { state, why, .. } = row.body;
    let place = [row.created, row.last, row.version];
    // One that has waited for long is shown to a person too: how long is no fact.
    let is_right = match state {
        State::Stored => true,
        State::Applied => !row.flagged,
        State::Quarantined => row.flagged,
    };
    of_row(place, &told(&core_hash(&row.body), state, why), is_right)
}

pub(super) fn callback_of(fold: &CallbackFold, core: [u8; 16]) -> u128 {
    combined(fold.stream.place(), &told(&core, fold.state, fold.why))
}

fn told(core: &[u8; 16], state: State, why: Option<SetAside>) -> [u8; 16] {
    let text = serde_json::to_vec(&(core, state, why)).expect("plain JSON");
    digest(&text)
}
