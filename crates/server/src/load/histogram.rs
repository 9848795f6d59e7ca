//! Latencies, counted in cells whose width grows with the value.
//!
//! Log-linear: each power of two is cut into 64 cells, so a percentile is at most 1.6 % above the
//! true value and recording costs an index and an increment. Values are nanoseconds; from 2^36
//! (69 s) on they share the last cell, and the greatest value is kept exactly.

use std::time::Duration;

const CUT_BITS: u32 = 6;
const CUTS: usize = 1 << CUT_BITS;
const TOP_BITS: u32 = 36;
const CELLS: usize = CUTS * (TOP_BITS - CUT_BITS + 1) as usize;

/// Counts of values by size.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    cells: Vec<u64>,
    count: u64,
    greatest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            cells: vec![0; CELLS],
            count: 0,
            greatest: 0,
        }
    }
}

fn cell(nanos: u64) -> usize {
    let value = nanos.min((1 << TOP_BITS) - 1);
    let magnitude = (u64::BITS - value.leading_zeros()).saturating_sub(CUT_BITS + 1);
    let cut = usize::try_from(value >> magnitude).expect("a cut is below 128");
    magnitude as usize * CUTS + cut
}

/// The greatest value that falls into a cell.
fn upper(cell: usize) -> u64 {
    let magnitude = (cell / CUTS).saturating_sub(1);
    let cut = (cell - magnitude * CUTS) as u64;
    ((cut + 1) << magnitude) - 1
}

impl Histogram {
    /// Counts one value.
    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cells[cell(nanos)] += 1;
        self.count += 1;
        self.greatest = self.greatest.max(nanos);
    }

    /// The value below or at which this share (0 to 1) of all values lie, in milliseconds; 0
    /// when nothing was counted.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count is a count"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (index, &count) in self.cells.iter().enumerate() {
            below += count;
            if below >= rank {
                return millis(upper(index).min(self.greatest));
            }
        }
        millis(self.greatest)
    }

    /// The greatest value in milliseconds, exactly.
    pub(crate) fn greatest_ms(&self) -> f64 {
        millis(self.greatest)
    }
}

/// What was counted since an earlier moment of the same histogram. Its greatest value is that of
/// its highest cell.
impl std::ops::Sub for &Histogram {
    type Output = Histogram;

    fn sub(self, earlier: Self) -> Histogram {
        let pairs = self.cells.iter().zip(&earlier.cells);
        let cells: Vec<u64> = pairs.map(|(now, then)| now.saturating_sub(*then)).collect();
        let highest = cells.iter().rposition(|count| *count > 0);
        Histogram {
            count: self.count.saturating_sub(earlier.count),
            greatest: highest.map_or(0, |cell| upper(cell).min(self.greatest)),
            cells,
        }
    }
}

/// Milliseconds with three decimals, as reports show them.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a run are far below 2^53"
)]
fn millis(nanos: u64) -> f64 {
    (nanos / 1000) as f64 / 1000.0
}

#[cfg(test)]
mod tests;
