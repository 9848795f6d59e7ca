//! Callbacks that are to be sent: when each is due, again after a failure, behind which other.
//!
//! Time is an argument. The queue is bounded: what does not fit is dropped, as a provider's lost
//! callback is, and is found by asking. A callback that is held back waits for a later one of the
//! same order to be sent, or [`BACK_MAX`]; a service that is down calls nobody until it is up.

use super::address::Address;
use super::knobs::{Knobs, Service};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Most callbacks that wait: below 1 KiB each.
const LETTERS_MAX: usize = 200_000;
/// Longest time that a callback is held back when no other comes.
const BACK_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether a service that was down is up.
const DOWN_LOOK: Duration = Duration::from_millis(250);
/// A callback is sent again after 1, 2, 4 ... 64 s, and then no more: about two minutes.
const AGAIN_MAX: u32 = 7;

/// One callback.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) service: Service,
    pub(super) to: Address,
    pub(super) order: Arc<str>,
    /// The transaction or delivery that it is about.
    pub(super) subject: Arc<str>,
    /// What happened, such as `payment.completed`.
    pub(super) kind: &'static str,
    pub(super) body: Bytes,
    /// When what it tells has happened, by the monotonic clock.
    pub(super) moment: Duration,
    /// How often it was sent in vain.
    pub(super) tries: u32,
}

impl Letter {
    /// The event's id: a hash of what is told, so that copies share it and nothing else does.
    pub(super) fn event_id(&self) -> String {
        let hash: [u8; 32] = Sha256::digest(&self.body).into();
        let number = u128::from_be_bytes(*hash.first_chunk().expect("32 bytes are more than 16"));
        format!("evt-{number:032x}")
    }
}

/// A place in the queue: when it is due, and a number that tells apart what is due at once.
type Slot = (Duration, u64);

/// The callbacks that wait.
#[derive(Debug, Default)]
pub(super) struct Mail {
    waiting: BTreeMap<Slot, Letter>,
    /// The slots of those held back, by order.
    back: BTreeMap<Arc<str>, Vec<Slot>>,
    next: u64,
}

impl Mail {
    /// Takes a callback in, to be sent at `due`, as the knobs will have it.
    pub(super) fn post(&mut self, letter: Letter, due: Duration, knobs: &Knobs) {
        let words = |purpose| -> [&str; 3] { [purpose, &letter.subject, letter.kind] };
        let held = knobs.draw(&words("reorder")) < knobs.reorder_rate;
        let twice = knobs.draw(&words("duplicate")) < knobs.duplicate_rate;
        for _ in 0..1 + u8::from(twice) {
            let order = Arc::clone(&letter.order);
            let due = if held { due + BACK_MAX } else { due };
            if let Some(slot) = self.put(letter.clone(), due)
                && held
            {
                self.back.entry(order).or_default().push(slot);
            }
        }
    }

    /// The next callback that is due and whose service is up.
    pub(super) fn take(&mut self, now: Duration, knobs: &Knobs) -> Option<Letter> {
        while let Some(first) = self.waiting.first_entry() {
            let slot = *first.key();
            if slot.0 > now {
                return None;
            }
            let letter = first.remove();
            self.no_longer_back(&letter.order, slot);
            if !knobs.down.contains(&letter.service) {
                return Some(letter);
            }
            self.put(letter, now + DOWN_LOOK);
        }
        None
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// A callback has been sent, well or in vain: what was held back behind it may go.
    pub(super) fn sent(&mut self, letter: &Letter, now: Duration) {
        let slots = self.back.remove(&letter.order).unwrap_or_default();
        let mut still = Vec::new();
        for slot in slots {
            let Some(held) = self.waiting.remove(&slot) else {
                continue;
            };
            if held.moment < letter.moment {
                self.put(held, now);
            } else {
                self.waiting.insert(slot, held);
                still.push(slot);
            }
        }
        if !still.is_empty() {
            self.back.insert(Arc::clone(&letter.order), still);
        }
    }

    /// Nobody took a callback: it is sent again, each time after twice as long.
    pub(super) fn again(&mut self, mut letter: Letter, now: Duration) {
        if letter.tries < AGAIN_MAX {
            let after = Duration::from_secs(1 << letter.tries);
            letter.tries += 1;
            self.put(letter, now + after);
        } else {
            tracing::warn!(
                kind = letter.kind,
                "a callback found nobody and is given up"
            );
        }
    }

    /// Takes back what was to be told about a subject and has not happened yet.
    pub(super) fn retract(&mut self, subject: &str, now: Duration) {
        self.waiting
            .retain(|_, letter| &*letter.subject != subject || letter.moment <= now);
    }

    /// Forgets callbacks that somebody stored before a restart, by their events' ids.
    pub(super) fn forget(&mut self, taken: &BTreeSet<String>) {
        self.waiting
            .retain(|_, letter| !taken.contains(&letter.event_id()));
    }

    fn put(&mut self, letter: Letter, due: Duration) -> Option<Slot> {
        if self.waiting.len() >= LETTERS_MAX {
            tracing::warn!(kind = letter.kind, "too many callbacks wait; one is lost");
            return None;
        }
        let slot = (due, self.next);
        self.next += 1;
        self.waiting.insert(slot, letter);
        Some(slot)
    }

    fn no_longer_back(&mut self, order: &Arc<str>, slot: Slot) {
        if let Some(slots) = self.back.get_mut(order) {
            slots.retain(|held| *held != slot);
            if slots.is_empty() {
                self.back.remove(order);
            }
        }
    }
}

#[cfg(test)]
mod tests;
