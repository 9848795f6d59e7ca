//! What the broker of the tests knows of its groups of readers.

use super::remote::{Planted, Shape, now};
use evenkeel_engine::port::{Group, Topic};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long a message is its receiver's, in the shape that counts time.
pub(crate) const VISIBLE_AFTER: Duration = Duration::from_secs(30);
/// What a lying broker keeps for slow readers.
const RETAINED: usize = 50;

/// A group of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry(Topic, Group);

impl Entry {
    pub(crate) fn new(topic: &Topic, group: &Group, planted: Option<Planted>) -> Self {
        let one = Group::new("one").expect("a name");
        let shared = planted == Some(Planted::SharesOneCheckpoint);
        Self(topic.clone(), if shared { one } else { group.clone() })
    }

    pub(crate) const fn topic(&self) -> &Topic {
        &self.0
    }
}

struct Out {
    member: u64,
    until: Instant,
}

#[derive(Default)]
struct Readers {
    /// Places to be received, in this order.
    ready: Vec<usize>,
    out: BTreeMap<usize, Out>,
    done: BTreeSet<usize>,
    given_back: BTreeSet<usize>,
    /// Where the group began.
    from: usize,
}

/// All groups.
pub(crate) struct Groups {
    shape: Shape,
    planted: Option<Planted>,
    all: BTreeMap<Entry, Readers>,
    /// The key of each place.
    keys: BTreeMap<(Topic, usize), String>,
}

impl Groups {
    pub(crate) const fn new(shape: Shape, planted: Option<Planted>) -> Self {
        Self {
            shape,
            planted,
            all: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    fn is(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    fn of(&mut self, entry: &Entry) -> &mut Readers {
        self.all.entry(entry.clone()).or_default()
    }

    pub(crate) fn join(&mut self, entry: &Entry, from: usize) {
        let anew = self.is(Planted::BeginsWhereReadersAre);
        let known = self.all.contains_key(entry);
        let readers = self.of(entry);
        if !known || anew {
            *readers = Readers {
                from,
                ..Readers::default()
            };
        }
    }

    pub(crate) fn arrived(&mut self, topic: &Topic, at: usize, key: &str) {
        self.keys.insert((topic.clone(), at), key.to_owned());
        let forgets = self.is(Planted::DropsWhatSlowReadersMissed);
        let drops = self.is(Planted::SkipsSomePlaces);
        for (_, readers) in self.all.iter_mut().filter(|(entry, _)| entry.0 == *topic) {
            if drops && at % 16 == 3 {
                readers.done.insert(at);
                continue;
            }
            readers.ready.push(at);
            while forgets && readers.ready.len() > RETAINED {
                let gone = readers.ready.remove(0);
                readers.done.insert(gone);
            }
        }
    }

    /// Whether some group was given what is at a place.
    pub(crate) fn has_seen(&self, topic: &Topic, at: usize) -> bool {
        let mut of_topic = self.all.iter().filter(|(entry, _)| entry.0 == *topic);
        of_topic.any(|(_, it)| it.out.contains_key(&at) || it.done.contains(&at))
    }

    pub(crate) fn slow(&self, limit: usize) -> bool {
        self.all.values().any(|it| it.ready.len() >= limit)
    }

    pub(crate) fn take(&mut self, entry: &Entry, member: u64, max: usize) -> Vec<usize> {
        let (shape, planted) = (self.shape, self.planted);
        let Self { all, keys, .. } = self;
        let readers = all.entry(entry.clone()).or_default();
        let now = now();
        if shape == Shape::Fifo {
            let over = readers.out.iter().filter(|(_, out)| out.until <= now);
            let over: Vec<usize> = over.map(|(at, _)| *at).collect();
            readers.release(&over, shape);
        }
        if planted == Some(Planted::StopsBehindWhatIsOpen) && !readers.out.is_empty() {
            return Vec::new();
        }
        let key = |at: usize| {
            keys.get(&(entry.0.clone(), at))
                .cloned()
                .unwrap_or_default()
        };
        let mut held: BTreeSet<String> = readers.out.keys().map(|at| key(*at)).collect();
        let (mut taken, mut rest) = (Vec::new(), Vec::new());
        for at in std::mem::take(&mut readers.ready) {
            let stops = planted == Some(Planted::StopsBehindWhatWasGivenBack)
                && taken.iter().any(|it| readers.given_back.contains(it));
            let waits = shape == Shape::Fifo && held.contains(&key(at));
            if taken.len() == max || waits || stops {
                held.insert(key(at));
                rest.push(at);
            } else {
                taken.push(at);
                held.extend((shape == Shape::Fifo).then(|| key(at)));
            }
        }
        readers.ready = rest;
        let until = now + VISIBLE_AFTER;
        let outs = taken.iter().map(|at| (*at, Out { member, until }));
        readers.out.extend(outs);
        taken
    }

    pub(crate) fn acknowledge(&mut self, entry: &Entry, member: u64, places: &[usize]) {
        let readers = self.of(entry);
        for at in readers.owned(member, places) {
            readers.out.remove(&at);
            readers.done.insert(at);
        }
    }

    pub(crate) fn give_back(&mut self, entry: &Entry, member: u64, places: &[usize]) {
        if self.is(Planted::DropsWhatIsGivenBack) {
            return self.acknowledge(entry, member, places);
        }
        let first = self.is(Planted::StopsBehindWhatWasGivenBack);
        let shape = if first { Shape::Log } else { self.shape };
        let readers = self.of(entry);
        let places = readers.owned(member, places);
        readers.given_back.extend(&places);
        readers.release(&places, shape);
    }

    pub(crate) fn has_passed(&self, entry: &Entry, upto: usize) -> bool {
        if self.is(Planted::NeverSaysPassed) {
            return false;
        }
        let received = self.is(Planted::SaysPassedWhenReceived);
        let Some(readers) = self.all.get(entry) else {
            return false;
        };
        (readers.from..upto)
            .all(|at| readers.done.contains(&at) || received && readers.out.contains_key(&at))
    }

    pub(crate) fn left(&mut self, entry: &Entry, member: u64) {
        if self.is(Planted::ForgetsAcknowledgements) {
            let readers = self.of(entry);
            let done = std::mem::take(&mut readers.done);
            readers.ready.extend(done);
            readers.ready.sort_unstable();
        }
        self.gone(entry, Some(member));
    }

    pub(crate) fn crashed(&mut self, entry: &Entry, member: u64) {
        if self.is(Planted::DropsWhatACrashedReaderHad) {
            let readers = self.of(entry);
            let had: Vec<usize> = readers.out.keys().copied().collect();
            return self.acknowledge(entry, member, &had);
        }
        // Where time alone says whose a message is, nobody notices.
        if self.shape != Shape::Fifo {
            self.gone(entry, Some(member));
        }
    }

    /// Nobody is connected any more.
    pub(crate) fn killed(&mut self) {
        let entries: Vec<Entry> = self.all.keys().cloned().collect();
        for entry in entries {
            self.gone(&entry, None);
        }
    }

    /// A topic has become shorter.
    pub(crate) fn cut(&mut self, topic: &Topic, len: usize) {
        for (_, readers) in self.all.iter_mut().filter(|(entry, _)| entry.0 == *topic) {
            readers.ready.retain(|at| *at < len);
            readers.done.retain(|at| *at < len);
        }
    }

    /// Releases what a member, or everybody, had.
    fn gone(&mut self, entry: &Entry, member: Option<u64>) {
        let shape = self.shape;
        let readers = self.of(entry);
        let had = readers.out.iter();
        let had = had.filter(|(_, out)| member.is_none_or(|it| it == out.member));
        let had: Vec<usize> = had.map(|(at, _)| *at).collect();
        readers.release(&had, shape);
        if shape == Shape::Log {
            // A checkpoint is all that is known of what was acknowledged.
            let Some(first) = readers.ready.iter().min().copied() else {
                return;
            };
            let again = readers.done.split_off(&first);
            readers.ready.extend(again);
            readers.ready.sort_unstable();
        }
    }
}

impl Readers {
    /// Those that are still this member's.
    fn owned(&self, member: u64, places: &[usize]) -> Vec<usize> {
        let places = places.iter().copied();
        let is_its = |at: &usize| self.out.get(at).is_some_and(|out| out.member == member);
        places.filter(is_its).collect()
    }

    fn release(&mut self, places: &[usize], shape: Shape) {
        for at in places {
            self.out.remove(at);
        }
        self.ready.extend(places);
        if shape != Shape::Queue {
            self.ready.sort_unstable();
        }
    }
}
