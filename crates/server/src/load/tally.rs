//! What came back: answers by status and by code, broken exchanges by kind, latencies.
//!
//! Shared by all connections of a run. The generator has one thread, so the lock is never
//! contended there and costs less than a counter a connection merged at the end would save.

use super::acks::{AckLog, Line};
use super::histogram::Histogram;
use crate::client::{Broken, Reply};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Instant;

/// Counts of one run.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) codes: BTreeMap<String, u64>,
    pub(crate) broken: BTreeMap<&'static str, u64>,
    pub(crate) latency: Histogram,
    /// Answers that were replays.
    pub(crate) replays: u64,
}

impl Tally {
    /// Answers of any status.
    pub(crate) fn requests(&self) -> u64 {
        self.answers.values().sum()
    }

    pub(crate) fn broken(&self, word: &str) -> u64 {
        self.broken.get(word).copied().unwrap_or(0)
    }
}

/// Counts each exchange, and writes it down when an acks file was asked for.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    tally: Mutex<Tally>,
    writes: bool,
    acks: Mutex<Option<AckLog>>,
}

impl Recorder {
    pub(crate) fn new(acks: Option<AckLog>) -> Self {
        Self {
            tally: Mutex::default(),
            writes: acks.is_some(),
            acks: Mutex::new(acks),
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, line: &Line<'_>, reply: &Reply<'_>) {
        let code = reply.code();
        let mut tally = self.tally.lock();
        tally
            .latency
            .record(line.answered.saturating_duration_since(line.sent));
        *tally.answers.entry(reply.status).or_default() += 1;
        tally.replays += u64::from(reply.replayed);
        if let Some(code) = code {
            match tally.codes.get_mut(code) {
                Some(count) => *count += 1,
                None => drop(tally.codes.insert(code.to_owned(), 1)),
            }
        }
        drop(tally);
        if self.writes
            && let Some(acks) = self.acks.lock().as_mut()
        {
            acks.answered(line, reply);
        }
    }

    /// Counts an exchange that came to no answer.
    pub(crate) fn broke(&self, line: &Line<'_>, broken: &Broken) {
        *self.tally.lock().broken.entry(broken.word()).or_default() += 1;
        if self.writes
            && let Some(acks) = self.acks.lock().as_mut()
        {
            acks.broke(line, broken.word());
        }
    }

    /// The counts so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Answers so far, for a live view.
    pub(crate) fn requests(&self) -> u64 {
        self.tally.lock().requests()
    }

    /// Ends the writing of acks, so that their file can be finished.
    pub(crate) fn stop_acks(&self) {
        drop(self.acks.lock().take());
    }
}

/// A line's beginning, before it is known what it comes to.
pub(crate) fn line<'a>(ask: &super::ask::Ask<'a>, sent: Instant, answered: Instant) -> Line<'a> {
    Line {
        key: ask.key,
        customer: ask.caller.customer.as_deref(),
        id: ask.id,
        route: ask.route,
        lines: ask.lines,
        sent,
        answered,
    }
}
