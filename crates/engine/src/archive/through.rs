//! A store whose log goes on below its floor: in segments.
//!
//! [`Archived`] is the store that everybody reads and writes through. Of the log it reads the
//! database first, and what is not there any more from the segments; all else is the store's own.
//! A segment that is missing or damaged is a fault that names it, never a row left out.

use super::segment::{Index, TAIL, index_length};
use crate::commit::Name;
use crate::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, SagaRow, SealRow, SegmentFiles,
    SegmentName, SegmentRow, Share, Store, SubscriptionRow, TokenRow, Touch, View,
};
use async_trait::async_trait;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Frames that are kept opened: most readers go on where they were.
const FRAMES_KEPT: usize = 4;

type Opened = Arc<Vec<LogRow>>;

/// What is known of segments already.
#[derive(Default)]
struct Known {
    rows: BTreeMap<u64, SegmentRow>,
    indexes: BTreeMap<SegmentName, Arc<Index>>,
    frames: VecDeque<((SegmentName, usize), Opened)>,
}

/// A store, and its segments.
pub struct Archived {
    store: Arc<dyn Store>,
    files: Arc<dyn SegmentFiles>,
    known: Mutex<Known>,
}

impl Archived {
    /// A store whose segments are in these files.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, files: Arc<dyn SegmentFiles>) -> Self {
        let known = Mutex::default();
        Self {
            store,
            files,
            known,
        }
    }

    /// The files of its segments.
    #[must_use]
    pub fn files(&self) -> &dyn SegmentFiles {
        &*self.files
    }

    /// The position of the first log row in the database; nothing if there is none.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn lowest(&self) -> Result<Option<u64>, Fault> {
        let rows = self.store.log(1, 1).await?.rows;
        Ok(rows.first().map(|row| row.position))
    }

    /// Forgets which segments there are, and what was read of them.
    pub fn forget(&self) {
        *self.known.lock() = Known::default();
    }

    /// The segment that has a position.
    async fn segment(&self, position: u64) -> Result<SegmentRow, Fault> {
        let of = |known: &Known| {
            let (_, row) = known.rows.range(..=position).next_back()?;
            (position <= row.last).then(|| row.clone())
        };
        if let Some(row) = of(&self.known.lock()) {
            return Ok(row);
        }
        let rows = self.store.segments().await?.rows;
        let mut known = self.known.lock();
        known.rows = rows.into_iter().map(|row| (row.first, row)).collect();
        of(&known).ok_or_else(|| nowhere(position))
    }

    async fn index(&self, row: &SegmentRow) -> Result<Arc<Index>, Fault> {
        if let Some(index) = self.known.lock().indexes.get(&row.name()) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(index_of(&*self.files, row).await?);
        let mut known = self.known.lock();
        known.indexes.insert(row.name(), Arc::clone(&index));
        Ok(index)
    }

    /// The rows of the frame that has a position.
    async fn frame(&self, position: u64) -> Result<Opened, Fault> {
        let row = self.segment(position).await?;
        let index = self.index(&row).await?;
        let gone = || broken(row.first, "it is too short");
        let (at, frame) = index.frame_of(position).ok_or_else(gone)?;
        let key = (row.name(), at);
        {
            let known = self.known.lock();
            if let Some((_, rows)) = known.frames.iter().find(|(of, _)| *of == key) {
                return Ok(Arc::clone(rows));
            }
        }
        let bytes = self
            .files
            .read(row.name(), frame.from, frame.length)
            .await?;
        let bytes = bytes.ok_or_else(|| broken(row.first, "its file is gone"))?;
        let rows = index.open(at, &bytes);
        let rows = Arc::new(rows.map_err(|what| broken(row.first, &what))?);
        let mut known = self.known.lock();
        known.frames.push_back((key, Arc::clone(&rows)));
        if known.frames.len() > FRAMES_KEPT {
            known.frames.pop_front();
        }
        Ok(rows)
    }

    /// Rows from segments, from a position on and below the floor, at most `limit` of them.
    async fn below(&self, from: u64, floor: u64, limit: usize) -> Result<Vec<LogRow>, Fault> {
        let mut found: Vec<LogRow> = Vec::new();
        let mut next = from;
        while next < floor && found.len() < limit {
            let frame = match self.frame(next).await {
                // Other segments may have taken the place of those it knew.
                Err(Fault::Corrupt(_)) => {
                    self.forget();
                    self.frame(next).await?
                }
                read => read?,
            };
            let rows = frame
                .iter()
                .filter(|row| (next..floor).contains(&row.position));
            let room = limit - found.len();
            let before = found.len();
            found.extend(rows.take(room).cloned());
            if found.len() == before {
                return Err(Fault::Corrupt(format!("log row {next} is gone")));
            }
            next += (found.len() - before) as u64;
        }
        Ok(found)
    }
}

/// Reads the index of a segment's file.
///
/// # Errors
/// [`Fault::Corrupt`] naming the segment if the file is missing, damaged or not the one that was
/// archived, or a fault of the files.
pub async fn index_of(files: &dyn SegmentFiles, row: &SegmentRow) -> Result<Index, Fault> {
    let (first, name) = (row.first, row.name());
    let size = files.size(name).await?;
    let size = size.ok_or_else(|| broken(first, "its file is gone"))?;
    let tail = size.saturating_sub(TAIL as u64);
    let ends = files.read(name, tail, TAIL as u32).await?;
    let length = index_length(&ends.unwrap_or_default());
    let length = length.map_err(|what| broken(first, &what))?;
    let from = size.checked_sub(u64::from(length));
    let from = from.ok_or_else(|| broken(first, "its index is damaged"))?;
    let bytes = files.read(name, from, length).await?;
    let index = Index::read(&bytes.unwrap_or_default()).map_err(|what| broken(first, &what))?;
    if index.row(size) != *row {
        return Err(broken(first, "it is not the one that was archived"));
    }
    Ok(index)
}

/// What is said of a row below the floor that is in no segment.
pub(super) fn nowhere(position: u64) -> Fault {
    let what = format!("log row {position} is archived, and no segment has it");
    Fault::Corrupt(what)
}

/// What is said of a segment that cannot be read.
pub(super) fn broken(first: u64, what: &str) -> Fault {
    Fault::Corrupt(format!("segment {first}: {what}"))
}

#[async_trait]
impl Store for Archived {
    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        let from = from.max(1);
        let mut before = None;
        loop {
            let page = self.store.log(from, limit).await?;
            let is_there = page.rows.first().is_some_and(|row| row.position == from);
            if is_there || limit == 0 || from > page.position {
                return Ok(page);
            }
            // Read behind the page: the floor that took its first row away is seen.
            let floor = self.store.head().await?.floor;
            // A floor that stood before the page and stands behind it has nothing to do with what
            // is missing there: a segment that was brought back meanwhile would have moved it.
            let stood = before.replace(floor) == Some(floor);
            if from >= floor {
                if stood {
                    return Ok(page);
                }
                continue;
            }
            let mut rows = match self.below(from, floor, limit).await {
                Err(Fault::Corrupt(_)) if !stood => continue,
                read => read?,
            };
            // The rest is read last, so that its position is that of all.
            let rest = self.log(floor, limit - rows.len()).await?;
            rows.extend(rest.rows);
            return Ok(At {
                position: rest.position,
                rows,
            });
        }
    }

    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        self.store.lock(touch).await
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        self.store.resolve(batch).await
    }

    async fn head(&self) -> Result<Head, Fault> {
        self.store.head().await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        self.store.hold(id).await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.store.holds(before, limit).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        self.store.sku(id).await
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        self.store.skus(before, limit).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        self.store.tokens(before, limit).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        self.store.token(secret).await
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        self.store.due(until, limit).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.store.order(id).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.store.orders(before, limit).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.store.saga(id).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.store.sagas(before, limit).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.store.cart(id).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.store.carts(before, limit).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.store.callback(created).await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.store.callbacks(before, limit).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.store.flagged(before, limit).await
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        self.store.due_rows(until, limit).await
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        self.store.subscription(id).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        self.store.subscriptions(before, limit).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        self.store.private(id).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        self.store.private_of(customer, from, limit).await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        self.store.names(names).await
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        self.store.refusals(from, limit).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        self.store.shares(after, limit).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        self.store.stray_balances().await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        self.store.seals(upto, limit).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.store.segments().await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        self.store.reads_from().await
    }

    fn may_know(&self, name: &Name) -> bool {
        self.store.may_know(name)
    }

    fn seems_new(&self, name: &Name) -> bool {
        self.store.seems_new(name)
    }

    fn known_to(&self) -> u64 {
        self.store.known_to()
    }

    async fn hear_names(&self, head: &Head) -> Result<(), Fault> {
        self.store.hear_names(head).await
    }
}
