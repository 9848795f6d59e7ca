//! What everything in one simulated world shares: the durable image, the dice, the auditor.
//!
//! Something is durable exactly when it has passed [`World::sync`]; the auditor sees it there, and
//! nobody can read it before. A crash of the store is a new *epoch*: what belongs to an older one
//! and was not synced never will be.

use crate::acks;
use crate::auditor::Auditor;
use crate::clock;
use crate::faults::{Dice, FaultKind, FaultSet};
use crate::head::HeadLock;
use crate::planted::{Memory, Part, Planted};
use crate::provider::Providers;
use crate::subscriber::Subscribers;
use evenkeel_engine::archive::Archived;
use evenkeel_engine::commit::Name;
use evenkeel_engine::port::{Fault, SegmentName, Writes};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::segments::SegmentMemory;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The store's server: which life it is in, and since when it is down.
#[derive(Debug, Default)]
struct Server {
    epoch: u64,
    down_until: Duration,
    blind_until: Duration,
    poison: Option<Name>,
}

/// One simulated world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    /// The files of what left the store.
    pub(crate) segments: SegmentMemory,
    /// Files that a disk has said to have and has not.
    pub(crate) unsynced: Mutex<BTreeSet<SegmentName>>,
    pub(crate) head: HeadLock,
    pub(crate) planted: Option<Planted>,
    pub(crate) memory: Mutex<Memory>,
    /// Secrets of tokens whose revocation was answered.
    pub(crate) revoked: Mutex<Vec<String>>,
    /// The answers that clients got, as lines of an acks file.
    pub(crate) acks: Mutex<acks::Book>,
    /// Who takes the money and brings the goods.
    pub(crate) providers: Providers,
    /// Who is told of events.
    pub(crate) subscribers: Subscribers,
    auditor: Mutex<Auditor>,
    dice: Mutex<Dice>,
    server: Mutex<Server>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    start: Instant,
}

impl World {
    pub(crate) fn new(seed: u64, faults: FaultSet, planted: Option<Planted>) -> Self {
        let salt = u128::from(seed).to_le_bytes();
        let origin = evenkeel_engine::chain::origin(acks::LOG, &salt);
        Self {
            store: MemoryStore::new(acks::LOG, salt),
            segments: SegmentMemory::default(),
            unsynced: Mutex::default(),
            head: HeadLock::default(),
            planted,
            memory: Mutex::default(),
            revoked: Mutex::default(),
            acks: Mutex::default(),
            providers: Providers::default(),
            subscribers: Subscribers::default(),
            auditor: Mutex::new(Auditor::new(origin)),
            dice: Mutex::new(Dice::new(seed, faults)),
            server: Mutex::default(),
            tasks: Mutex::default(),
            start: clock::now(),
        }
    }

    /// The store and its segments, without a node in between.
    pub(crate) fn archived(&self) -> Archived {
        let files = Arc::new(self.segments.clone());
        Archived::new(Arc::new(self.store.clone()), files)
    }

    /// A machine goes down: what its disk has not is lost.
    pub(crate) fn lose_unsynced(&self) {
        let lost = std::mem::take(&mut *self.unsynced.lock());
        self.segments
            .edit(|files| files.retain(|name, _| !lost.contains(name)));
    }

    /// Time since the simulation began.
    pub(crate) fn mono(&self) -> Duration {
        clock::now().duration_since(self.start)
    }

    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// Runs a task of this world until it ends or the world does.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let task = clock::spawn(work);
        self.tasks.lock().push(task);
    }

    /// Waits until all tasks of this world have ended; whether they all ended well.
    pub(crate) async fn join(&self) -> bool {
        let mut well = true;
        loop {
            let tasks = std::mem::take(&mut *self.tasks.lock());
            if tasks.is_empty() {
                return well;
            }
            for task in tasks {
                well &= task.await.is_ok();
            }
        }
    }

    /// Asks or tells the auditor.
    pub(crate) fn audit<T>(&self, with: impl FnOnce(&mut Auditor) -> T) -> T {
        with(&mut self.auditor.lock())
    }

    /// Asks the dice.
    pub(crate) fn dice<T>(&self, with: impl FnOnce(&mut Dice) -> T) -> T {
        with(&mut self.dice.lock())
    }

    /// A number below another.
    pub(crate) fn any(&self, below: usize) -> usize {
        let last = below.saturating_sub(1) as u64;
        usize::try_from(self.dice(|dice| dice.range(0, last))).unwrap_or(0)
    }

    /// Whether a fault fires at this opportunity; it is counted if it does.
    pub(crate) fn fires(&self, kind: FaultKind) -> bool {
        let fires = self.dice.lock().fires(kind);
        if fires {
            self.count(kind);
        }
        fires
    }

    /// Counts a fault that was brought about.
    pub(crate) fn count(&self, kind: FaultKind) {
        self.dice.lock().count(kind);
        self.auditor.lock().fault(kind.name());
    }

    /// Lets a little time pass, often none at all.
    pub(crate) async fn latency(&self, most_ms: u64) {
        let ms = self.dice(|dice| {
            if dice.chance(500) {
                dice.range(1, most_ms)
            } else {
                0
            }
        });
        if ms == 0 {
            tokio::task::yield_now().await;
        } else {
            clock::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// The store's present life.
    pub(crate) fn epoch(&self) -> u64 {
        self.server.lock().epoch
    }

    /// A definite no while the store is down.
    pub(crate) fn up(&self) -> Result<(), Fault> {
        if self.mono() < self.server.lock().down_until {
            return Err(Fault::Unavailable("the store is starting".to_owned()));
        }
        Ok(())
    }

    /// The store crashes: what was not synced is lost, and it is down for a while.
    pub(crate) fn crash(&self, down: Duration) {
        self.count(FaultKind::StoreCrash);
        self.lose_unsynced();
        let mut server = self.server.lock();
        server.epoch += 1;
        server.down_until = self.mono() + down;
        drop(server);
        self.head.crash();
    }

    /// Whether unknown outcomes cannot be looked up now.
    pub(crate) fn is_blind(&self) -> bool {
        let now = self.mono();
        if now < self.server.lock().blind_until {
            return true;
        }
        let blind = self.fires(FaultKind::ResolveUnavailable);
        if blind {
            let ms = self.dice(|dice| dice.range(20, 900));
            self.server.lock().blind_until = now + Duration::from_millis(ms);
        }
        blind
    }

    /// Whether a batch has a commit that cannot be written. It stays so until it stood alone.
    pub(crate) fn is_poisoned(&self, writes: &Writes) -> bool {
        let known = self.server.lock().poison;
        if let Some(name) = known {
            let hit = writes.names.iter().any(|write| write.name == name);
            if hit && writes.log.len() == 1 {
                self.server.lock().poison = None;
            }
            return hit;
        }
        if writes.names.is_empty() || !self.fires(FaultKind::Poison) {
            return false;
        }
        let last = writes.names.len() as u64 - 1;
        let index = usize::try_from(self.dice(|dice| dice.range(0, last))).unwrap_or(0);
        let alone = writes.log.len() == 1;
        self.server.lock().poison = (!alone).then_some(writes.names[index].name);
        true
    }

    /// Makes a part of a batch durable, and shows the auditor the store as it now is.
    pub(crate) fn sync(&self, by: &'static str, part: Part, writes: &Writes) -> Result<(), Fault> {
        crate::planted::write(self, by, part, writes)?;
        let mono = self.mono();
        let mut auditor = self.auditor.lock();
        self.store.edit(|tables| auditor.observe(tables, mono));
        Ok(())
    }
}
