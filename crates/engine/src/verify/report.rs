//! What `verify` says: one row per invariant, each with its findings.
//!
//! A [`Report`] has all 22 rows, always. A row is `held`, `violated` with at most
//! [`FINDINGS_MAX`] exact subjects, or `not_checkable` with where it is checked instead. The
//! [`Book`] collects while the log is read; it holds no rule of its own but one: what is said of
//! the same subject twice in one row is said once.

pub use super::invariant::{Invariant, Kind};
use crate::port::SealRow;
use serde::Serialize;
use serde_json::Value;

/// Most findings that one row shows; the rest is counted in its note.
pub const FINDINGS_MAX: usize = 20;

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// `sku`, `hold`, `order`, `saga`, `cart`, `subscription`, `callback`, `private`, `token`,
    /// `key`, `names`, `refusal`, `answer`, `projection`, `log` or `head`.
    pub kind: &'static str,
    /// Which one.
    pub id: String,
}

impl Subject {
    /// Names a subject.
    pub(super) fn new(kind: &'static str, id: impl ToString) -> Self {
        let id = id.to_string();
        Self { kind, id }
    }

    /// A row of the log.
    pub(super) fn entry(position: u64) -> Self {
        Self::new("log", position)
    }
}

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Work that is on its way explains it.
    InFlight,
    /// A reader is behind.
    Lagging,
    /// Nothing explains it.
    Divergent,
}

/// One exact difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The row's id and a number within it: `I8-1`.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// To whom.
    pub subject: Subject,
    /// How bad it is.
    pub class: Class,
    /// What should stand there.
    pub expected: Value,
    /// What stands there.
    pub found: Value,
    /// The position that it is about.
    pub position: u64,
    /// In words.
    pub detail: String,
}

/// A finding that has no number yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) subject: Subject,
    pub(super) expected: Value,
    pub(super) found: Value,
    pub(super) position: u64,
    pub(super) detail: String,
}

/// What came of one invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was computed and holds.
    Held,
    /// It was computed and does not hold.
    Violated,
    /// It was not computed, or not wholly.
    NotCheckable,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// `I1` to `I22`.
    pub id: String,
    /// What it promises.
    pub name: &'static str,
    /// What came of it.
    pub result: Outcome,
    /// Where it is checked; present for what is not checkable here.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the result does not cover, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many things were looked at.
    pub checked: u64,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

/// Everything that `verify` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether no invariant is violated.
    pub ok: bool,
    /// The head's position when the reading began.
    pub position: u64,
    /// All 22 rows.
    pub checks: Vec<Check>,
    /// The position of the seal that the log was folded from; 0 if it was folded from zero.
    pub folded_from: u64,
    /// The chain's hash at that position, in hexadecimal: with the position, the next anchor.
    #[serde(skip)]
    pub hash: String,
    /// Seals of this report, to be kept; none unless everything that was computed holds.
    #[serde(skip)]
    pub seals: Vec<SealRow>,
}

impl Report {
    /// One invariant's row.
    #[must_use]
    pub fn check(&self, invariant: Invariant) -> &Check {
        &self.checks[invariant as usize]
    }

    /// Says that seals were not whole, or not of this build, and were not used.
    pub(super) fn note_passed(&mut self, passed: &[u64]) {
        let row = &mut self.checks[Invariant::I16 as usize];
        for position in passed {
            let note = format!("the seal at {position} could not be used, and was passed over");
            row.note = Some(match row.note.take() {
                Some(before) => format!("{before}; {note}"),
                None => note,
            });
        }
    }

    /// Reports a seal that differs from a store in which nothing else is wrong.
    pub(super) fn blame_seal(&mut self, position: u64, what: &str) {
        let row = &mut self.checks[Invariant::I16 as usize];
        row.findings.push(Finding {
            id: format!("{}-1", Invariant::I16.id()),
            kind: Kind::SealEdited,
            subject: Subject::new("seal", position),
            class: Class::Divergent,
            expected: Value::Null,
            found: Value::Null,
            position,
            detail: format!("the log, folded from zero, is not what it says: {what}"),
        });
        (row.result, row.place) = (Outcome::Violated, None);
        self.ok = false;
        self.seals.clear();
    }

    /// Every finding of every row.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|check| &check.findings)
    }

    /// The line for the anchors file; nothing unless everything that was computed holds.
    #[must_use]
    pub fn anchor(&self) -> Option<String> {
        self.ok
            .then(|| format!("{} {}\n", self.position, self.hash))
    }
}

#[derive(Debug, Default)]
struct Page {
    checked: u64,
    findings: Vec<Finding>,
    left_off: u64,
    uncomputed: Option<String>,
    notes: Vec<String>,
}

/// Where findings are collected.
#[derive(Debug)]
pub(super) struct Book {
    pages: [Page; 22],
}

impl Book {
    pub(super) fn new() -> Self {
        let mut book = Self {
            pages: std::array::from_fn(|_| Page::default()),
        };
        for invariant in Invariant::ALL {
            book.page(invariant).uncomputed = invariant.elsewhere().map(str::to_owned);
        }
        book
    }

    fn page(&mut self, invariant: Invariant) -> &mut Page {
        &mut self.pages[invariant as usize]
    }

    /// Counts what was looked at.
    pub(super) fn checked(&mut self, invariant: Invariant, things: usize) {
        self.page(invariant).checked += things as u64;
    }

    /// Says that an invariant of [`Invariant::elsewhere`] was computed after all.
    pub(super) fn computed(&mut self, invariant: Invariant) {
        self.page(invariant).uncomputed = None;
    }

    /// Says that an invariant could not be computed, or not wholly; the first reason stands.
    pub(super) fn uncomputed(&mut self, invariant: Invariant, place: &str) {
        let page = self.page(invariant);
        page.uncomputed.get_or_insert_with(|| place.to_owned());
    }

    /// Says why an invariant could not be computed, in place of any reason before.
    pub(super) fn not_computed(&mut self, invariant: Invariant, place: &str) {
        self.page(invariant).uncomputed = Some(place.to_owned());
    }

    /// Adds what a result does not cover.
    pub(super) fn note(&mut self, invariant: Invariant, note: String) {
        self.page(invariant).notes.push(note);
    }

    /// Adds a finding, unless the row says it of this subject already.
    pub(super) fn find(&mut self, invariant: Invariant, draft: Draft) {
        let page = self.page(invariant);
        let said = |seen: &Finding| seen.kind == draft.kind && seen.subject == draft.subject;
        if page.findings.iter().any(said) {
            return;
        }
        if page.findings.len() == FINDINGS_MAX {
            page.left_off += 1;
            return;
        }
        let id = format!("{}-{}", invariant.id(), page.findings.len() + 1);
        page.findings.push(Finding {
            id,
            kind: draft.kind,
            subject: draft.subject,
            class: Class::Divergent,
            expected: draft.expected,
            found: draft.found,
            position: draft.position,
            detail: draft.detail,
        });
    }

    /// Whether a row has a finding of this kind.
    pub(super) fn has(&self, invariant: Invariant, kind: Kind) -> bool {
        let mut findings = self.pages[invariant as usize].findings.iter();
        findings.any(|finding| finding.kind == kind)
    }

    /// Whether a row has no finding at all.
    pub(super) fn is_clean(&self, invariant: Invariant) -> bool {
        self.pages[invariant as usize].findings.is_empty()
    }

    /// Whether a row shows as many findings as it can: more are only counted.
    pub(super) fn is_full(&self, invariant: Invariant) -> bool {
        self.pages[invariant as usize].findings.len() == FINDINGS_MAX
    }

    pub(super) fn report(self, position: u64, hash: String) -> Report {
        let rows = Invariant::ALL.into_iter().zip(self.pages);
        let checks: Vec<Check> = rows
            .map(|(invariant, page)| check(invariant, page))
            .collect();
        let ok = checks.iter().all(|check| check.result != Outcome::Violated);
        Report {
            ok,
            position,
            checks,
            folded_from: 0,
            hash,
            seals: Vec::new(),
        }
    }
}

fn check(invariant: Invariant, mut page: Page) -> Check {
    if page.left_off > 0 {
        page.notes.push(format!("{} more findings", page.left_off));
    }
    let result = if !page.findings.is_empty() {
        Outcome::Violated
    } else if page.uncomputed.is_some() {
        Outcome::NotCheckable
    } else {
        Outcome::Held
    };
    let place = page.uncomputed.filter(|_| result == Outcome::NotCheckable);
    Check {
        id: invariant.id(),
        name: invariant.name(),
        result,
        place,
        note: (!page.notes.is_empty()).then(|| page.notes.join("; ")),
        checked: page.checked,
        findings: page.findings,
    }
}
