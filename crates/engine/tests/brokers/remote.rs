//! A broker of the tests: a server in memory with a disk, that loses answers and is killed.
//!
//! It comes in three shapes, so that the suite asks no more than each of them can keep. It can be
//! made to lie in one way ([`Planted`]), so that the suite is seen to ask no less.

use super::fixture::{Fixture, Lost};
use super::groups::{Entry, Groups, VISIBLE_AFTER};
use async_trait::async_trait;
use evenkeel_engine::port::{
    Broker, Group, HighWater, Message, Published, Publisher, ROOM, Receipt, Received, Receiver,
    Topic, Unserved,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a broker keeps of its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A checkpoint for each group, as of a partition: what comes again is all from there on.
    Log,
    /// Each message by itself, those of a key one at a time, and each for a while only.
    Fifo,
    /// Each message by itself; what was given back comes after all others.
    Queue,
}

macro_rules! lies {
    ($($lie:ident)+) => {
        /// A lie, each to be caught by a promise of the suite.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Planted {
            $($lie,)+
        }

        impl Planted {
            /// Every lie.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$lie),+];
        }
    };
}

lies! {
    AcknowledgesBeforeItsDisk
    SkipsSomePlaces
    TurnsTheOrderOfAKey
    DropsWhatACrashedReaderHad
    ForgetsAcknowledgements
    SharesOneCheckpoint
    BeginsWhereReadersAre
    DropsWhatSlowReadersMissed
    TakesNothingForSlowReaders
    StopsBehindWhatIsOpen
    StopsBehindWhatWasGivenBack
    DropsWhatIsGivenBack
    SaysPassedWhenReceived
    NeverSaysPassed
    KnowsIdsThatItLost
    MakesIdsAnew
    CutsLongBodies
    TakesAndDropsWhatIsTooLarge
    TriesWhatIsTooLargeForEver
    RefusesABatchForOne
    DropsHeaders
    FoldsKeys
    TakesAKeyTwiceInABatch
    RefusesForGoodWhileItIsDown
}

const SIZE_MAX: usize = ROOM + 4_096;
/// How far behind a group is too slow for a lying broker.
const SLOW: usize = 50;

struct State {
    planted: Option<Planted>,
    up: bool,
    /// Raised by each start: a connection ends with its server.
    epoch: u64,
    /// Most bytes of a message.
    size_max: usize,
    topics: BTreeMap<Topic, Vec<Message>>,
    /// What is under way and arrives late, and behind how many others.
    late: Vec<(usize, Message)>,
    lose: Option<Lost>,
    ids: BTreeSet<String>,
    /// How much of each topic is on the disk, where a lie makes a difference.
    flushed: BTreeMap<Topic, usize>,
    groups: Groups,
    members: u64,
}

/// The server; a clone is the same one.
#[derive(Clone)]
pub(crate) struct Remote {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

#[expect(clippy::disallowed_methods, reason = "the paused clock of the tests")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Remote {
    pub(crate) fn start(shape: Shape) -> Self {
        Self::lying(shape, None)
    }

    pub(crate) fn lying(shape: Shape, planted: Option<Planted>) -> Self {
        let state = State {
            planted,
            up: true,
            epoch: 0,
            size_max: SIZE_MAX,
            topics: BTreeMap::new(),
            late: Vec::new(),
            lose: None,
            ids: BTreeSet::new(),
            flushed: BTreeMap::new(),
            groups: Groups::new(shape, planted),
            members: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            news: Arc::default(),
        }
    }

    /// Takes nothing larger than this.
    pub(crate) fn limit(&self, size_max: usize) {
        self.state.lock().size_max = size_max;
    }

    /// What a topic has.
    pub(crate) fn topic_of(&self, topic: &Topic) -> Vec<Message> {
        self.state
            .lock()
            .topics
            .get(topic)
            .cloned()
            .unwrap_or_default()
    }

    /// How many messages there are.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().topics.values().map(Vec::len).sum()
    }
}

impl State {
    fn is(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    fn publish(&mut self, batch: &[Message]) -> Vec<Published> {
        let lost = self.lose.take();
        let mut keys = BTreeSet::new();
        let size_max = self.size_max;
        let refused = |message: &Message| message.size() > size_max;
        let whole = self.is(Planted::RefusesABatchForOne) && batch.iter().any(refused);
        let mut told = Vec::new();
        for message in batch {
            let first = keys.insert((message.topic.clone(), message.key.clone()));
            let twice = !first && !self.is(Planted::TakesAKeyTwiceInABatch);
            told.push(match lost {
                _ if refused(message) || whole => self.too_large(),
                _ if twice => not_sent("the one before it is under way"),
                _ if self.is(Planted::TakesNothingForSlowReaders) && self.groups.slow(SLOW) => {
                    not_sent("somebody is slow")
                }
                Some(lost) => {
                    match lost {
                        Lost::Request if self.is(Planted::KnowsIdsThatItLost) => {
                            self.ids.insert(message.id.clone());
                        }
                        Lost::Request => {}
                        Lost::Answer => self.store(message.clone()),
                        Lost::Late => self.late.push((2, message.clone())),
                    }
                    Published::Unknown
                }
                None => {
                    self.store(message.clone());
                    Published::Durable
                }
            });
        }
        if lost.is_none() {
            self.arrive();
        }
        told
    }

    fn too_large(&self) -> Published {
        match self.planted {
            Some(Planted::TakesAndDropsWhatIsTooLarge) => Published::Durable,
            Some(Planted::TriesWhatIsTooLargeForEver) => not_sent("it is too large"),
            _ => Published::Refused {
                why: format!("it has more than {} bytes", self.size_max),
            },
        }
    }

    /// Lets what is under way come nearer.
    fn arrive(&mut self) {
        for (behind, _) in &mut self.late {
            *behind -= 1;
        }
        let (here, late) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(behind, _)| *behind == 0);
        self.late = late;
        let here: Vec<(usize, Message)> = here;
        for (_, message) in here {
            self.store(message);
        }
    }

    fn store(&mut self, mut message: Message) {
        if self.is(Planted::KnowsIdsThatItLost) && !self.ids.insert(message.id.clone()) {
            return;
        }
        if self.is(Planted::CutsLongBodies) {
            let end = message.body.floor_char_boundary(256 << 10);
            message.body.truncate(end);
        }
        if self.is(Planted::DropsHeaders) {
            message.headers.clear();
        }
        if self.is(Planted::FoldsKeys) {
            message.key.make_ascii_lowercase();
        }
        let topic = message.topic.clone();
        let key = message.key.clone();
        let all = self.topics.entry(topic.clone()).or_default();
        all.push(message);
        let at = all.len() - 1;
        let before = all[..at].iter().rposition(|it| it.key == key);
        if self.planted == Some(Planted::TurnsTheOrderOfAKey)
            && at.is_multiple_of(5)
            && let Some(before) = before
            && !self.groups.has_seen(&topic, before)
        {
            all.swap(before, at);
        }
        self.groups.arrived(&topic, at, &key);
    }

    fn kill(&mut self) {
        self.up = false;
        self.late.clear();
        self.groups.killed();
        if self.planted != Some(Planted::AcknowledgesBeforeItsDisk) {
            return;
        }
        for (topic, all) in &mut self.topics {
            // Of what came since the last start it had written but a half.
            let flushed = self.flushed.entry(topic.clone()).or_default();
            *flushed += (all.len() - *flushed) / 2;
            all.truncate(*flushed);
            self.groups.cut(topic, *flushed);
        }
    }
}

fn not_sent(why: &str) -> Published {
    Published::NotSent {
        why: why.to_owned(),
    }
}

impl Fixture for Remote {
    const PATIENCE: Duration = Duration::from_secs(20);
    const MISSED: Duration = VISIBLE_AFTER;
    const QUIET: Duration = Duration::from_secs(1);
    const MARKS: bool = true;

    async fn topic(&self, word: &str) -> Topic {
        Topic::new(&format!("test.{word}")).expect("a name")
    }

    async fn client(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn kill(&self) {
        self.state.lock().kill();
        self.news.notify_waiters();
    }

    async fn restart(&self) {
        let mut state = self.state.lock();
        (state.up, state.epoch) = (true, state.epoch + 1);
    }

    fn lose(&self, lost: Lost) -> bool {
        self.state.lock().lose = Some(lost);
        true
    }
}

#[async_trait]
impl Publisher for Remote {
    async fn publish(&self, batch: &[Message], _timeout: Duration) -> Vec<Published> {
        let told = {
            let mut state = self.state.lock();
            if state.up {
                state.publish(batch)
            } else if state.is(Planted::RefusesForGoodWhileItIsDown) {
                let why = "no connection".to_owned();
                vec![Published::Refused { why }; batch.len()]
            } else {
                vec![not_sent("no connection"); batch.len()]
            }
        };
        self.news.notify_waiters();
        tokio::task::yield_now().await;
        told
    }

    fn size_max(&self) -> usize {
        self.state.lock().size_max
    }
}

#[async_trait]
impl Broker for Remote {
    fn publisher(&self) -> Option<Arc<dyn Publisher>> {
        Some(Arc::new(self.clone()))
    }

    async fn join(&self, topic: &Topic, group: &Group) -> Result<Box<dyn Receiver>, Unserved> {
        let mut state = self.state.lock();
        if !state.up {
            return Err(Unserved("no connection".to_owned()));
        }
        state.members += 1;
        let entry = Entry::new(topic, group, state.planted);
        let until = state.topics.get(topic).map_or(0, Vec::len);
        state.groups.join(&entry, until);
        Ok(Box::new(Member {
            remote: self.clone(),
            entry,
            member: state.members,
            epoch: state.epoch,
            receipts: BTreeMap::new(),
            given: 0,
            left: false,
        }))
    }
}

struct Member {
    remote: Remote,
    entry: Entry,
    member: u64,
    epoch: u64,
    /// What was received, by its place in the topic.
    receipts: BTreeMap<Receipt, usize>,
    given: u64,
    left: bool,
}

impl Member {
    /// Does something at the server, if the connection still is.
    fn at<T>(&self, ask: impl FnOnce(&mut State) -> T) -> Result<T, Unserved> {
        let mut state = self.remote.state.lock();
        if state.up && state.epoch == self.epoch {
            Ok(ask(&mut state))
        } else {
            Err(Unserved("the connection is lost".to_owned()))
        }
    }

    fn take(&mut self, max: usize) -> Result<Vec<Received>, Unserved> {
        let places = self.at(|state| {
            let places = state.groups.take(&self.entry, self.member, max);
            let all = state.topics.get(self.entry.topic());
            let found = |at: usize| (at, all.expect("what is taken is there")[at].clone());
            places.into_iter().map(found).collect::<Vec<_>>()
        })?;
        let anew = self.remote.state.lock().is(Planted::MakesIdsAnew);
        let mut received = Vec::new();
        for (at, mut message) in places {
            self.given += 1;
            let receipt = Receipt(self.given);
            if anew {
                message.id = format!("{}-{}", self.member, self.given);
            }
            self.receipts.insert(receipt, at);
            received.push(Received { receipt, message });
        }
        Ok(received)
    }

    fn places(&mut self, receipts: &[Receipt]) -> Vec<usize> {
        let places = receipts.iter().filter_map(|it| self.receipts.remove(it));
        places.collect()
    }
}

#[async_trait]
impl Receiver for Member {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, Unserved> {
        let until = now() + wait;
        loop {
            let news = Arc::clone(&self.remote.news);
            let news = news.notified();
            let came = self.take(max)?;
            let left = until.saturating_duration_since(now());
            if !came.is_empty() || left.is_zero() {
                return Ok(came);
            }
            // What somebody holds comes free with time alone.
            let look = left.min(Duration::from_secs(5));
            drop(tokio::time::timeout(look, news).await);
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), Unserved> {
        let places = self.places(receipts);
        let (entry, member) = (self.entry.clone(), self.member);
        self.at(|state| state.groups.acknowledge(&entry, member, &places))
    }

    async fn give_back(&mut self, receipts: &[Receipt]) -> Result<(), Unserved> {
        let places = self.places(receipts);
        let (entry, member) = (self.entry.clone(), self.member);
        self.at(|state| state.groups.give_back(&entry, member, &places))
    }

    async fn high_water(&mut self) -> Result<Option<HighWater>, Unserved> {
        let len = |state: &mut State| state.topics.get(self.entry.topic()).map_or(0, Vec::len);
        Ok(Some(HighWater(vec![self.at(len)? as u64])))
    }

    async fn has_passed(&mut self, mark: &HighWater) -> Result<bool, Unserved> {
        let upto = usize::try_from(mark.0[0]).expect("a test is small");
        self.at(|state| state.groups.has_passed(&self.entry, upto))
    }

    async fn leave(mut self: Box<Self>) -> Result<(), Unserved> {
        self.left = true;
        let (entry, member) = (self.entry.clone(), self.member);
        self.at(|state| state.groups.left(&entry, member))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let (entry, member) = (self.entry.clone(), self.member);
        if !self.left {
            // A server that is down has noticed it anyway.
            drop(self.at(|state| state.groups.crashed(&entry, member)));
        }
        self.remote.news.notify_waiters();
    }
}
