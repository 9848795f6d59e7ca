//! The independent auditor: it believes nothing but what became durable and what was answered.
//!
//! Each log text is handed to it at the moment it becomes durable; it reads the text itself, folds
//! it with its own double-entry table and its own state machine, and compares the store's rows
//! with its folds. Each request and each answer that reached its caller is handed to it as well;
//! it holds every answer against the log. It shares no code with rules or engine but the types in
//! which rows and answers are spelled, and it never decides anything: it only notes violations,
//! each under the name of the invariant that it breaks.

mod answers;
mod carts;
mod end;
mod holds;
mod lacks;
mod law;
mod law_orders;
mod lives;
mod missing;
mod model;
mod orders;
mod outbox;
mod sagas;
mod said;
mod shares;
mod story;
mod tables;
mod truth;
mod warnings;

pub use answers::{Answer, AttemptId};
pub use carts::MAX_LIFE_MS;
pub use law::demands;
pub use law_orders::PAIRS;
pub use truth::Fact;

use answers::Answers;
use evenkeel_engine::port::Post;
use evenkeel_engine::store::memory::Tables;
use model::Model;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Most violations that are kept of one seed.
const VIOLATIONS_MAX: usize = 50;
/// Steps that are shown with the first violation.
const BEFORE_MAX: usize = 8;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name, as `I1`.
    pub invariant: &'static str,
    /// How many log rows, answers and faults had been seen.
    pub step: u64,
    /// What was found, in words.
    pub what: String,
}

/// The auditor of one seed.
#[derive(Debug, Default)]
pub struct Auditor {
    model: Model,
    answers: Answers,
    violations: Vec<Violation>,
    trace: Sha256,
    steps: u64,
    /// The last steps before the first violation, with their kinds.
    before: VecDeque<(&'static str, Vec<u8>)>,
}

/// Where checks note what they find.
type Found = Vec<(&'static str, String)>;

impl Auditor {
    /// An auditor of an empty log whose hash 0 is this.
    #[must_use]
    pub fn new(origin: [u8; 32]) -> Self {
        Self {
            model: Model::new(origin),
            ..Self::default()
        }
    }

    /// Counts a step, hashes it, and remembers it until something does not hold.
    fn trace(&mut self, kind: &'static str, what: &[u8], shown: &[u8]) {
        self.steps += 1;
        self.trace.update(kind);
        self.trace.update(what.len().to_le_bytes());
        self.trace.update(what);
        if self.violations.is_empty() {
            if self.before.len() == BEFORE_MAX {
                self.before.pop_front();
            }
            self.before.push_back((kind, shown.to_vec()));
        }
    }

    fn note(&mut self, found: Found) {
        for (invariant, what) in found {
            if self.violations.len() < VIOLATIONS_MAX {
                let step = self.steps;
                self.violations.push(Violation {
                    invariant,
                    step,
                    what,
                });
            }
        }
    }

    /// Notes something that others found out.
    pub fn report(&mut self, invariant: &'static str, what: String) {
        self.note(vec![(invariant, what)]);
    }

    /// Notes that a fault fired.
    pub fn fault(&mut self, name: &str) {
        self.trace("fault", name.as_bytes(), name.as_bytes());
    }

    /// Takes in what a provider did.
    pub fn provider(&mut self, fact: &Fact) {
        let said = format!("{fact:?}");
        self.trace("provider", said.as_bytes(), said.as_bytes());
        let mut found = Found::new();
        self.model.truth.take(fact, &mut found);
        self.note(found);
    }

    /// Takes in an event that arrived at a subscriber, who accepted it or did not.
    pub fn posted(&mut self, subscriber: &str, post: &Post, accepted: bool) {
        let word = if accepted { "accepted" } else { "refused" };
        let said = format!("{} by {subscriber}: {word}", post.id);
        self.trace("post", said.as_bytes(), said.as_bytes());
        let mut found = Found::new();
        self.model.posted(subscriber, (post, accepted), &mut found);
        self.note(found);
    }

    /// What is not over yet of orders, sagas and callbacks, with the reason.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        self.model.unfinished()
    }

    /// Takes in one log row that became durable.
    pub fn row(&mut self, text: &[u8], hash: [u8; 32], mono: Duration) {
        self.trace("row", text, text);
        let mut found = Found::new();
        if let Some(key) = self.model.row(text, hash, mono, &mut found) {
            self.answers.effect(&self.model, &key, &mut found);
        }
        self.note(found);
    }

    /// Looks at a store after something became durable: takes in the new log rows, then compares
    /// the rows that they touched with its folds.
    pub fn observe(&mut self, tables: &Tables, mono: Duration) {
        let seen = self.model.rows_seen();
        // Rows below the floor may have left the store.
        let left = |first: u64| usize::try_from(first.min(tables.head.floor) - 1).unwrap_or(0);
        let left = tables.log.first().map_or(0, |row| left(row.position));
        for row in tables.log.iter().skip(seen.saturating_sub(left)) {
            self.row(&row.text, row.hash, mono);
        }
        let mut found = Found::new();
        tables::compare_touched(&mut self.model, tables, &mut found);
        self.note(found);
    }

    /// Notes that a request sets out; the answer is told with the same id.
    pub fn begin(&mut self, request: &evenkeel_engine::Request, mono: Duration) -> AttemptId {
        self.answers.begin(request, mono)
    }

    /// Takes in the latest time, in microseconds, that any node's clock has shown and that nodes
    /// would write at: a refusal has no row that says when it was judged.
    pub fn clocks(&mut self, latest: i64) {
        self.model.latest = latest;
    }

    /// Takes in an answer that reached its caller.
    pub fn answered(&mut self, id: AttemptId, answer: &Answer, mono: Duration) {
        let shown = story::answer(self.answers.command(id), answer);
        self.trace("answer", format!("{answer:?}").as_bytes(), shown.as_bytes());
        let mut found = Found::new();
        self.answers
            .answered((id, mono), answer, &mut self.model, &mut found);
        self.note(found);
    }

    /// Compares everything, once nothing runs any more.
    pub fn end(&mut self, tables: &Tables) {
        let mut found = Found::new();
        end::compare_all(&mut self.model, tables, &mut found);
        self.answers.end(&self.model, tables, &mut found);
        self.note(found);
    }

    /// Every live hold and its deadline in microseconds.
    #[must_use]
    pub fn live_holds(&self) -> Vec<(String, i64)> {
        self.model.live_holds()
    }

    /// Every place and the units available there.
    #[must_use]
    pub fn available(&self) -> Vec<((String, String), i64)> {
        self.model.available()
    }

    /// Log time of the last row, in microseconds.
    #[must_use]
    pub fn log_time(&self) -> i64 {
        self.model.time()
    }

    /// The position of the last row.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.model.position()
    }

    /// Rows that `verify` can be told of: their positions and hashes.
    #[must_use]
    pub fn anchors(&self) -> Vec<(u64, [u8; 32])> {
        self.model.anchors()
    }

    /// What did not hold, in the order in which it was found.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What happened just before the first violation, each in one sentence, the last step last.
    #[must_use]
    pub fn before(&self) -> Vec<String> {
        let steps = self.before.iter();
        steps
            .map(|(kind, shown)| story::step(kind, shown))
            .collect()
    }

    /// Pairs of consecutive event types that some stream went through.
    #[must_use]
    pub fn transitions(&self) -> &BTreeSet<(Option<String>, String)> {
        self.model.transitions()
    }

    /// How many log rows, answers and faults were seen, and a hash over them.
    #[must_use]
    pub fn trace_hash(&self) -> (u64, [u8; 32]) {
        (self.steps, self.trace.clone().finalize().into())
    }
}

#[cfg(test)]
mod tests;
