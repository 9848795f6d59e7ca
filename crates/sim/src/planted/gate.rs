//! A gate that never hears of units that came back.

use evenkeel_engine::gate::memory::MemoryGate;
use evenkeel_engine::port::{Map, News, Place, StockGate};
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::time::Duration;

/// The lying gate: the honest board, told only of units that went away.
#[derive(Debug)]
pub(crate) struct DeafGate {
    board: MemoryGate,
    lowest: Mutex<Map<Place, u64>>,
}

impl DeafGate {
    pub(crate) fn new(position: u64) -> Self {
        Self {
            board: MemoryGate::new(position),
            lowest: Mutex::default(),
        }
    }
}

impl StockGate for DeafGate {
    fn refuses(&self, lines: &[Wanted], now: LogTime, mono: Duration) -> Option<u64> {
        self.board.refuses(lines, now, mono)
    }

    fn absorb(&self, news: &News) {
        let mut news = news.clone();
        let mut lowest = self.lowest.lock();
        for (place, available) in &mut news.available {
            let least = lowest.entry(place.clone()).or_insert(*available);
            *least = (*least).min(*available);
            *available = *least;
        }
        news.deltas.retain(|(_, delta)| *delta < 0);
        self.board.absorb(&news);
    }

    fn position(&self) -> u64 {
        self.board.position()
    }

    fn seen(&self, position: u64, mono: Duration) {
        self.board.seen(position, mono);
    }
}
