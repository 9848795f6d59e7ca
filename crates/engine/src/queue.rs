//! Where commits wait: three lanes, bounded, each with a share of every batch.
//!
//! A batch is what arrived while the last one was written, at most [`BATCH_MAX`] commits and
//! [`BATCH_BYTES`], and what joins it while it waits for the lock; no timer holds it back. Each
//! lane has at least an eighth of a full batch, so that neither a rush of new work nor a storm of
//! expiries can starve the others. Beyond the bound the answer is no before any work; and a
//! client's commit is also refused when it would wait longer than it may (`pace`), for whoever
//! waits too long has gone when the answer comes.

use crate::commit::{Commit, Lane, Outcome};
use crate::port::Fault;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

mod live;
mod pace;
pub(crate) use live::Live;
use pace::Pace;

/// Most commits of one batch.
pub const BATCH_MAX: usize = 1_024;
/// Most bytes of one batch's commits, estimated before they are judged.
pub const BATCH_BYTES: usize = 4 << 20;
/// What each lane has of a full batch, if it wants it.
const SHARE: usize = BATCH_MAX / 8;

/// What the committer tells a caller.
pub type Told = Result<Outcome, Fault>;

/// A commit that waits, and where its answer goes.
#[derive(Debug)]
pub struct Waiting {
    /// The commit.
    pub commit: Commit,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Told>,
    /// Monotonic time after which it is not to be begun.
    pub deadline: Option<Duration>,
    /// How often it was widened and queued again.
    pub widened: u32,
}

#[derive(Debug, Default)]
struct Lanes {
    lanes: [VecDeque<Waiting>; 3],
    closed: bool,
    asked: u64,
    pace: Pace,
}

/// The lanes.
#[derive(Debug)]
pub struct Queue {
    lanes: Mutex<Lanes>,
    wake: Notify,
    capacity: usize,
}

/// Why a commit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The lane is at its bound, or what waits in it takes too long.
    Busy,
    /// The engine is stopping.
    Closed,
}

const fn lane_of(commit: &Commit) -> usize {
    place_of(commit.command.lane())
}

const fn place_of(lane: Lane) -> usize {
    match lane {
        Lane::Ending => 0,
        Lane::Place => 1,
        Lane::Background => 2,
    }
}

impl Queue {
    /// An empty queue whose lanes hold at most `capacity` commits each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            lanes: Mutex::default(),
            wake: Notify::new(),
            capacity,
        }
    }

    /// Adds a commit at the end of its lane.
    ///
    /// # Errors
    /// [`Full`]: nothing was begun.
    pub fn push(&self, waiting: Waiting) -> Result<(), Full> {
        self.push_within(waiting, None)
    }

    /// The same for one that waits at most so long, as far as the last batches tell.
    ///
    /// # Errors
    /// [`Full`]: nothing was begun.
    pub fn push_within(&self, waiting: Waiting, most: Option<Duration>) -> Result<(), Full> {
        let mut lanes = self.lanes.lock();
        let place = lane_of(&waiting.commit);
        lanes.admits(place, self.capacity, most)?;
        let lane = &mut lanes.lanes[place];
        let asked = waiting.commit.key.is_some();
        lane.push_back(waiting);
        lanes.asked += u64::from(asked);
        drop(lanes);
        self.wake.notify_one();
        Ok(())
    }

    /// Whether a commit would be taken now that waits at most so long: asked before any work is
    /// done for it.
    ///
    /// # Errors
    /// [`Full`]: it would not.
    pub fn admits(&self, lane: Lane, most: Option<Duration>) -> Result<(), Full> {
        let lanes = self.lanes.lock();
        lanes.admits(place_of(lane), self.capacity, most)
    }

    /// Notes how long the batch took that was taken last.
    pub fn paced(&self, took: Duration) {
        self.lanes.lock().pace.took(took);
    }

    /// How long what waits will take, as far as the last batches tell: when to ask again.
    #[must_use]
    pub fn backlog(&self) -> Duration {
        let lanes = self.lanes.lock();
        let waits = (0..lanes.lanes.len()).map(|place| lanes.wait(place));
        waits.max().unwrap_or_default()
    }

    /// Puts commits that were in a batch back at the front of their lanes, in their order.
    pub fn push_back_in(&self, again: Vec<Waiting>) {
        let mut lanes = self.lanes.lock();
        for waiting in again.into_iter().rev() {
            lanes.lanes[lane_of(&waiting.commit)].push_front(waiting);
        }
        drop(lanes);
        self.wake.notify_one();
    }

    /// Waits for commits and takes a batch; nothing once the queue is closed and empty.
    pub async fn take(&self) -> Option<Vec<Waiting>> {
        loop {
            {
                let mut lanes = self.lanes.lock();
                let batch = lanes.take();
                if !batch.is_empty() {
                    return Some(batch);
                }
                if lanes.closed {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Takes what else belongs to the batch that was taken last, which has so many commits and so
    /// many bytes: new work, in its order, up to the first that does not join it.
    pub fn take_more(
        &self,
        (count, size): (usize, usize),
        joins: impl Fn(&Waiting) -> bool,
    ) -> Vec<Waiting> {
        let mut lanes = self.lanes.lock();
        let mut left = BATCH_BYTES.saturating_sub(size);
        let fits = |waiting: &&Waiting| {
            let size = waiting.commit.size();
            let fits = size <= left && joins(waiting);
            left -= if fits { size } else { 0 };
            fits
        };
        let place = place_of(Lane::Place);
        let room = BATCH_MAX.saturating_sub(count);
        let lane = &mut lanes.lanes[place];
        let more = lane.iter().take(room).take_while(fits).count();
        let more: Vec<Waiting> = lane.drain(..more).collect();
        let waits = !lane.is_empty();
        lanes.pace.took_more(place, more.len(), waits);
        more
    }

    /// Takes no more commits; those that wait are still worked off.
    pub fn close(&self) {
        self.lanes.lock().closed = true;
        self.wake.notify_one();
    }

    /// Whether no more commits are taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lanes.lock().closed
    }

    /// Takes no more commits and drops those that wait: nobody is left to work them off.
    pub fn abandon(&self) {
        let mut lanes = self.lanes.lock();
        lanes.closed = true;
        let dropped = std::mem::take(&mut lanes.lanes);
        drop(lanes);
        drop(dropped);
        self.wake.notify_one();
    }

    /// How many commits came from clients so far: those that had a key.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.lanes.lock().asked
    }

    /// Commits that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.lock().lanes.iter().map(VecDeque::len).sum()
    }

    /// Commits that wait in each lane, in the lanes' order.
    #[must_use]
    pub fn waiting(&self) -> [usize; Lane::ALL.len()] {
        let lanes = self.lanes.lock();
        std::array::from_fn(|at| lanes.lanes[at].len())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Lanes {
    /// How long a commit at the end of a lane waits for the batches before its own.
    fn wait(&self, place: usize) -> Duration {
        self.pace.wait(place, self.lanes[place].len())
    }

    fn admits(&self, place: usize, capacity: usize, most: Option<Duration>) -> Result<(), Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        let late = most.is_some_and(|most| self.wait(place) > most);
        if late || self.lanes[place].len() >= capacity {
            return Err(Full::Busy);
        }
        Ok(())
    }

    /// First each lane's share, in commits and in bytes, then what room is left in lane order.
    fn take(&mut self) -> Vec<Waiting> {
        let mut take = [0; 3];
        let (mut room, mut bytes) = (BATCH_MAX, BATCH_BYTES);
        for (share, share_bytes) in [(SHARE, BATCH_BYTES / 8), (BATCH_MAX, BATCH_BYTES)] {
            for (lane, taken) in take.iter_mut().enumerate() {
                let (mut left, mut left_bytes) = (share.min(room), share_bytes.min(bytes));
                for waiting in self.lanes[lane].iter().skip(*taken) {
                    let size = waiting.commit.size();
                    if left == 0 || size > left_bytes {
                        break;
                    }
                    (left, left_bytes) = (left - 1, left_bytes - size);
                    (room, bytes) = (room - 1, bytes - size);
                    *taken += 1;
                }
            }
        }
        if take == [0; 3]
            && let Some(lane) = self.lanes.iter().position(|lane| !lane.is_empty())
        {
            // One that is larger than a whole batch goes alone, or it would wait for ever.
            take[lane] = 1;
        }
        let mut batch = Vec::with_capacity(take.iter().sum());
        for (lane, count) in take.into_iter().enumerate() {
            batch.extend(self.lanes[lane].drain(..count));
        }
        let left = std::array::from_fn(|lane| !self.lanes[lane].is_empty());
        self.pace.taken(take, left);
        batch
    }
}

#[cfg(test)]
mod tests;
