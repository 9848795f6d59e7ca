//! The generator's own book of answers, and what it proves when compared with the server's.
//!
//! Pure: entries and what the server shows go in, a verdict comes out. Three findings, each with
//! a meaning of its own:
//!
//! - `oversold`: units given out at one moment beyond those there were, by the answers alone
//!   (a hold surely stands from its answer until its release is sent or its time is over), or by
//!   the server's own balances;
//! - `lost`: acknowledged effects that the server does not show;
//! - `double`: keys with two effects, and effects that nobody asked for.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How a hold of the book ended, by its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Held,
    Confirmed,
    Released,
    /// Left to its deadline.
    Abandoned,
    /// Sold, and on sale again: the order that it was sold to was called off.
    CalledOff,
    /// Its confirm never came to an answer: it is sold, or as it was, or its time is over.
    AskedToConfirm,
    /// Its release never came to an answer.
    AskedToRelease,
}

impl Ending {
    /// The states of which the server shows one once all is quiet.
    fn states(self) -> &'static [&'static str] {
        match self {
            Self::Held => &["held"],
            Self::Confirmed | Self::CalledOff => &["confirmed"],
            Self::Released => &["released"],
            Self::Abandoned => &["expired"],
            Self::AskedToConfirm => &["confirmed", "held", "expired"],
            Self::AskedToRelease => &["released", "held", "expired"],
        }
    }
}

/// An acknowledged hold.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Box<str>,
    pub(crate) units: u64,
    /// When the answer was there: from then on it surely stands.
    pub(crate) granted: Instant,
    /// Until when it surely stands; nothing: to the end.
    pub(crate) until: Option<Instant>,
    pub(crate) ending: Ending,
}

/// All acknowledged holds of a SKU that nobody else uses.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) entries: Vec<Entry>,
    /// Requests that never came to an answer that decides.
    pub(crate) undecided: u64,
    /// Keys that were answered with two different holds.
    pub(crate) twofold: u64,
    /// Answers that no correct server gives here.
    pub(crate) surprises: Vec<String>,
}

/// Units of a SKU by account, all locations together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Balances {
    pub(crate) received: i64,
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) sold: i64,
    #[serde(default)]
    pub(crate) shipped: i64,
    #[serde(default)]
    pub(crate) returned: i64,
    #[serde(default)]
    pub(crate) written_off: i64,
}

impl std::iter::Sum for Balances {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            received: sum.received + one.received,
            available: sum.available + one.available,
            held: sum.held + one.held,
            sold: sum.sold + one.sold,
            shipped: sum.shipped + one.shipped,
            returned: sum.returned + one.returned,
            written_off: sum.written_off + one.written_off,
        })
    }
}

/// What the server shows when all is quiet.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) balances: Balances,
    /// State of each hold that was asked for; nothing: the server does not know it.
    pub(crate) holds: BTreeMap<Box<str>, Option<String>>,
}

/// What the comparison came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) oversold: u64,
    pub(crate) lost: u64,
    pub(crate) double: u64,
    /// One sentence for each finding, at most twenty.
    pub(crate) notes: Vec<String>,
}

const NOTES_MAX: usize = 20;

impl Verdict {
    pub(crate) fn note(&mut self, text: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(text);
        }
    }
}

impl Book {
    /// Takes the entries of another part of the same run.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.undecided += other.undecided;
        self.twofold += other.twofold;
        self.surprises.extend(other.surprises);
    }

    /// Units of all holds that ended so.
    pub(crate) fn units(&self, ending: Ending) -> u64 {
        self.entries
            .iter()
            .filter(|entry| entry.ending == ending)
            .map(|entry| entry.units)
            .sum()
    }

    /// The most units that surely stood at one moment.
    pub(crate) fn peak(&self) -> u64 {
        let mut changes: Vec<(Instant, i64)> = Vec::with_capacity(self.entries.len() * 2);
        for entry in &self.entries {
            let units = signed(entry.units);
            if entry.until.is_none_or(|until| until > entry.granted) {
                changes.push((entry.granted, units));
                changes.extend(entry.until.map(|until| (until, -units)));
            }
        }
        // At one instant what ends goes first: only what surely overlaps is counted.
        changes.sort_unstable();
        let mut standing = 0;
        let peak = changes.into_iter().map(|(_, change)| {
            standing += change;
            standing
        });
        u64::try_from(peak.max().unwrap_or(0)).unwrap_or(0)
    }

    /// Compares the book with what the server shows of a SKU that received `units`.
    pub(crate) fn judge(&self, units: u64, shown: &Shown) -> Verdict {
        let mut verdict = Verdict {
            double: self.twofold,
            ..Verdict::default()
        };
        if self.twofold > 0 {
            verdict.note(format!(
                "{} keys were answered with two different holds",
                self.twofold
            ));
        }
        self.judge_oversold(units, &shown.balances, &mut verdict);
        self.judge_holds(shown, &mut verdict);
        self.judge_sold(&shown.balances, &mut verdict);
        if self.undecided > 0 {
            verdict.note(format!(
                "{} requests never came to an answer",
                self.undecided
            ));
        }
        for surprise in &self.surprises {
            verdict.note(surprise.clone());
        }
        verdict
    }

    fn judge_oversold(&self, units: u64, shown: &Balances, verdict: &mut Verdict) {
        let given = self.peak();
        let by_answers = given.saturating_sub(units);
        if by_answers > 0 {
            verdict.note(format!(
                "{given} units were given out at one moment, there were {units}"
            ));
        }
        let Balances {
            received,
            available,
            held,
            sold,
            shipped,
            returned,
            written_off,
        } = *shown;
        let out = [held, sold, shipped, returned, written_off]
            .into_iter()
            .map(|n| n.max(0));
        let by_balances = (out.sum::<i64>() - received).max(-available).max(0);
        if by_balances > 0 {
            verdict.note(format!(
                "the balances are {by_balances} units short: {shown:?}"
            ));
        }
        let short = signed(units) - received;
        if short != 0 {
            verdict.note(format!(
                "{units} units were received, the balances say {received}"
            ));
        }
        verdict.lost += unsigned(short);
        verdict.double += unsigned(-short);
        verdict.oversold += by_answers.max(unsigned(by_balances));
    }

    fn judge_holds(&self, shown: &Shown, verdict: &mut Verdict) {
        let mut seen = BTreeSet::new();
        for entry in &self.entries {
            let id = &entry.id;
            if !seen.insert(id) {
                verdict.double += 1;
                verdict.note(format!("hold {id} was given out twice"));
            }
            let expected = entry.ending.states();
            match shown.holds.get(id) {
                None => {}
                Some(Some(state)) if expected.contains(&&**state) => {}
                Some(state) => {
                    let found = state.as_deref().unwrap_or("unknown");
                    let expected = expected.join(" or ");
                    verdict.lost += 1;
                    verdict.note(format!(
                        "hold {id} was {expected} by its answers, is {found}"
                    ));
                }
            }
        }
    }

    fn judge_sold(&self, shown: &Balances, verdict: &mut Verdict) {
        let confirmed = self.units(Ending::Confirmed);
        let sold = unsigned(shown.sold) + unsigned(shown.shipped);
        if sold < confirmed {
            verdict.lost = verdict.lost.max(confirmed - sold);
            verdict.note(format!("{confirmed} units were confirmed, {sold} are sold"));
        } else if sold > confirmed && self.undecided == 0 {
            verdict.double = verdict.double.max(sold - confirmed);
            verdict.note(format!(
                "only {confirmed} units were confirmed, {sold} are sold"
            ));
        }
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).expect("quantities are at most 2^53 - 1")
}

fn unsigned(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0)
}

#[cfg(test)]
mod tests;
