//! The gate in memory: a board, not a counter.
//!
//! It shows, per (SKU, location), how many units were available at its position and when the live
//! holds that it knows of are due. It is fed by this node's own batches at once and by the log's
//! tail for foreign ones; it counts no admissions, so there is nothing to give back.
//!
//! It may say no, and only when its availability is too small, no hold of the place may be due,
//! and its position was the head's within the last second. A place that it does not know goes to
//! the ledger, whose answer seeds it. Holds placed before this node listened are not on the board,
//! so a no is confirmed by the ledger again every [`RECHECK`]: one request goes there, the others
//! are answered.

use crate::port::{Map, News, Place, StockGate};
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::time::LogTime;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a no stands before one caller asks the ledger to search the overdue front again.
pub const RECHECK: Duration = Duration::from_millis(100);
/// How old the board's position may be for a no.
pub const STALE: Duration = Duration::from_secs(1);

/// What the board shows of one place.
#[derive(Debug, Default)]
struct Shown {
    available: u64,
    /// Live deadlines in ms, each with how many holds have it.
    due: BTreeMap<i64, u32>,
    /// Monotonic time, in ms, until which a no needs no new search of the overdue front.
    searched_until_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Board {
    position: u64,
    /// The latest time by which the ledger judged: a clock set back makes nothing less due.
    time: LogTime,
    shown: Map<Place, Shown>,
}

/// The board.
#[derive(Debug, Default)]
pub struct MemoryGate {
    board: RwLock<Board>,
    seen_ms: AtomicU64,
}

impl MemoryGate {
    /// An empty board that stands at a position: every place goes to the ledger at first.
    #[must_use]
    pub fn new(position: u64) -> Self {
        let board = RwLock::new(Board {
            position,
            ..Board::default()
        });
        Self {
            board,
            seen_ms: AtomicU64::new(0),
        }
    }
}

fn millis(mono: Duration) -> u64 {
    u64::try_from(mono.as_millis()).unwrap_or(u64::MAX)
}

impl Shown {
    fn may_be_due(&self, now: LogTime) -> bool {
        self.due
            .first_key_value()
            .is_some_and(|(due_ms, _)| *due_ms <= now.micros() / 1000)
    }

    fn forget(&mut self, due_ms: i64) {
        if let Some(count) = self.due.get_mut(&due_ms) {
            *count -= 1;
            if *count == 0 {
                self.due.remove(&due_ms);
            }
        }
    }

    /// Whether the ledger's last search still counts. When it is too old, one caller is told no
    /// and goes to the ledger; the others go on believing it for another [`RECHECK`].
    fn searched(&self, mono_ms: u64) -> bool {
        let until = self.searched_until_ms.load(Ordering::Relaxed);
        if until == 0 || mono_ms < until {
            return until != 0;
        }
        let (next, order) = (mono_ms + millis(RECHECK), Ordering::Relaxed);
        self.searched_until_ms
            .compare_exchange(until, next, order, order)
            .is_err()
    }
}

impl StockGate for MemoryGate {
    fn refuses(&self, lines: &[Wanted], now: LogTime, mono: Duration) -> Option<u64> {
        let mono_ms = millis(mono);
        let fresh_until = self.seen_ms.load(Ordering::Relaxed) + millis(STALE);
        if mono_ms > fresh_until {
            return None;
        }
        let board = self.board.read();
        let now = now.max(board.time);
        let short = lines.iter().any(|line| {
            let place = (line.sku.clone(), line.location.clone());
            let Some(shown) = board.shown.get(&place) else {
                return false;
            };
            shown.available < line.quantity.get()
                && !shown.may_be_due(now)
                && shown.searched(mono_ms)
        });
        short.then_some(board.position)
    }

    fn absorb(&self, news: &News) {
        let mut board = self.board.write();
        if news.after != board.position {
            // Behind: the log's tail has to come first. Ahead: it has been there already.
            return;
        }
        board.position = news.position;
        board.time = board.time.max(news.time);
        for (place, available) in &news.available {
            board.shown.entry(place.clone()).or_default().available = *available;
        }
        for (place, delta) in &news.deltas {
            if let Some(shown) = board.shown.get_mut(place) {
                shown.available = shown.available.saturating_add_signed(*delta);
            }
        }
        for (place, due) in &news.placed {
            if let Some(shown) = board.shown.get_mut(place) {
                *shown.due.entry(due.micros() / 1000).or_default() += 1;
            }
        }
        for (place, due) in &news.ended {
            if let Some(shown) = board.shown.get_mut(place) {
                shown.forget(due.micros() / 1000);
            }
        }
        for place in &news.searched {
            let shown = board.shown.entry(place.clone()).or_default();
            // The ledger found nothing overdue: deadlines before now belong to ended holds.
            shown.due = shown.due.split_off(&(news.time.micros() / 1000));
            let until = millis(news.mono + RECHECK);
            shown.searched_until_ms.fetch_max(until, Ordering::Relaxed);
        }
    }

    fn position(&self) -> u64 {
        self.board.read().position
    }

    fn seen(&self, position: u64, mono: Duration) {
        if self.board.read().position == position {
            self.seen_ms.fetch_max(millis(mono), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
