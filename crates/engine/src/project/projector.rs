//! What readers of projections ask: where the rows are, and to be woken when they have reached a
//! position.

use crate::port::{Clock, Fault, Projection, Standing, Views};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Where all projections stand, in the order of [`Projection::ALL`].
type Checkpoints = [u64; Projection::ALL.len()];

/// What readers of projections ask.
pub struct Projector {
    pub(super) views: Arc<dyn Views>,
    pub(super) clock: Arc<dyn Clock>,
    checkpoints: watch::Sender<Checkpoints>,
    nudge: Arc<Notify>,
    /// Whether somebody asked for something that the views have to be read for.
    pub(super) wished: AtomicBool,
    /// Readers that wait for a position.
    pub(super) readers: AtomicUsize,
}

/// A reader that waits, until this is dropped.
struct Reader<'a>(&'a AtomicUsize);

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Projector {
    /// Over views whose loop does not run yet.
    #[must_use]
    pub fn new(views: Arc<dyn Views>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            views,
            clock,
            checkpoints: watch::Sender::new(Checkpoints::default()),
            nudge: Arc::default(),
            wished: AtomicBool::new(false),
            readers: AtomicUsize::new(0),
        })
    }

    /// The read models.
    #[must_use]
    pub fn views(&self) -> &Arc<dyn Views> {
        &self.views
    }

    /// What makes the loop look at once.
    #[must_use]
    pub fn nudge(&self) -> &Arc<Notify> {
        &self.nudge
    }

    /// The position that a projection's live rows have reached, as far as this node knows.
    #[must_use]
    pub fn checkpoint(&self, projection: Projection) -> u64 {
        self.checkpoints.borrow()[projection as usize]
    }

    /// Waits until a projection has reached a position; whether it did in time. A wait of nothing
    /// only looks.
    pub async fn reach(&self, projection: Projection, wanted: u64, wait: Duration) -> bool {
        let until = self.clock.mono() + wait;
        let mut news = self.checkpoints.subscribe();
        self.readers.fetch_add(1, Ordering::AcqRel);
        let _reader = Reader(&self.readers);
        loop {
            if news.borrow_and_update()[projection as usize] >= wanted {
                return true;
            }
            let left = until.saturating_sub(self.clock.mono());
            if left.is_zero() {
                return false;
            }
            self.nudge.notify_one();
            tokio::select! {
                biased;
                _ = news.changed() => {}
                () = self.clock.sleep(left) => {}
            }
        }
    }

    /// Has a projection folded again from the log's first row, beside the rows that are there.
    ///
    /// # Errors
    /// A [`Fault`] of the views.
    pub async fn rebuild(&self, projection: Projection) -> Result<(), Fault> {
        self.views.begin(projection).await?;
        self.wished.store(true, Ordering::Release);
        self.nudge.notify_one();
        Ok(())
    }

    /// Tells readers where the rows are.
    pub(super) fn tell(&self, standing: &[Standing]) {
        self.checkpoints.send_if_modified(|known| {
            let before = *known;
            for one in standing {
                known[one.projection as usize] = one.checkpoint;
            }
            before != *known
        });
    }
}
