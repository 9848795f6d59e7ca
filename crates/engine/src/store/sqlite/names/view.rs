//! Where a name can be at this moment: the newest map, the maps on their way into runs, the runs.
//!
//! A view is replaced as a whole, and only its newest map grows. Each view therefore holds every
//! name inserted before it was read, however maps turn into runs and runs into larger ones
//! meanwhile. Readers hold the view while they ask it, for less than a microsecond; the writer
//! waits for them when it replaces the view, and inserts into the map in short turns.

use super::part::Run;
use super::{Entry, Mark, Name, block, sql};
use foldhash::fast::FixedState;
use parking_lot::RwLock;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// Names inserted under one turn of the map's lock.
const TURN_NAMES: usize = 64;

type Entries = HashMap<Name, Entry, FixedState>;

/// A map of names, in the order in which they were committed only as a whole: all of its names come
/// after those of the maps and runs before it.
pub(super) struct Map {
    entries: RwLock<Entries>,
}

impl Map {
    fn new(names: usize) -> Map {
        let entries = HashMap::with_capacity_and_hasher(names, FixedState::default());
        Map {
            entries: RwLock::new(entries),
        }
    }

    /// Its entries, ascending by name.
    pub(super) fn sorted(&self) -> Vec<(Name, Entry)> {
        let mut entries: Vec<(Name, Entry)> = self
            .entries
            .read()
            .iter()
            .map(|(name, entry)| (*name, *entry))
            .collect();
        entries.sort_unstable_by_key(|(name, _)| u128::from_be_bytes(*name));
        entries
    }

    fn get(&self, name: &Name) -> Option<Entry> {
        self.entries.read().get(name).copied()
    }

    fn insert(&self, mut batch: impl Iterator<Item = (Name, Entry)>) -> usize {
        let mut turn = Vec::with_capacity(TURN_NAMES);
        let mut inserted = 0;
        loop {
            turn.extend(batch.by_ref().take(TURN_NAMES));
            if turn.is_empty() {
                return inserted;
            }
            inserted += turn.len();
            let mut entries = self.entries.write();
            for (name, entry) in turn.drain(..) {
                let previous = entries.insert(name, entry);
                debug_assert!(previous.is_none(), "a name is inserted once");
            }
        }
    }
}

/// A map that takes no more names, and the mark that its names and all before them reach.
#[derive(Clone)]
pub(super) struct Frozen {
    /// The names.
    pub(super) map: Arc<Map>,
    /// With the runs and the maps before it, everything up to here is included.
    pub(super) upto: Mark,
}

/// All places where a name can be.
#[derive(Clone)]
pub(super) struct View {
    /// Takes the names of each batch.
    pub(super) newest: Arc<Map>,
    /// Maps that are not yet in a run, oldest first.
    pub(super) frozen: Vec<Frozen>,
    /// Lower levels first, and the newest first of one level.
    pub(super) runs: Vec<Arc<Run>>,
    /// The version that the database gives this list of runs.
    pub(super) version: i64,
}

impl View {
    /// The entry of a name; `conn` sees the list of runs in the version that the view has.
    pub(super) fn get(&self, conn: &Connection, name: &Name) -> rusqlite::Result<Option<Entry>> {
        if let Some(entry) = self.in_memory(name) {
            return Ok(Some(entry));
        }
        for (level, id) in self.blocks_of(name) {
            let found = sql::block(conn, level, id, |bytes| block::find(id, bytes, name))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// False when the name is certainly in none of the places.
    pub(super) fn may_know(&self, name: &Name) -> bool {
        self.in_memory(name).is_some() || self.blocks_of(name).next().is_some()
    }

    fn in_memory(&self, name: &Name) -> Option<Entry> {
        let frozen = self.frozen.iter().rev().map(|frozen| &frozen.map);
        std::iter::once(&self.newest)
            .chain(frozen)
            .find_map(|map| map.get(name))
    }

    /// The blocks that can hold a name: level and id.
    fn blocks_of(&self, name: &Name) -> impl Iterator<Item = (usize, i64)> {
        self.runs
            .iter()
            .filter_map(|run| Some((run.level, run.block_of(name)?)))
    }
}

/// What the writer shares with who only reads.
pub(super) struct Shared {
    view: RwLock<Arc<View>>,
    known: RwLock<Mark>,
}

impl Shared {
    /// Asks the view as it is.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Arc<View>) -> T) -> T {
        question(&self.view.read())
    }

    /// The mark up to which any view read from now on has every name.
    pub(super) fn known(&self) -> Mark {
        *self.known.read()
    }
}

/// The writer's side of the view.
pub(super) struct Views {
    shared: Arc<Shared>,
    /// What `shared` holds, without its lock.
    view: Arc<View>,
    known: Mark,
    /// Room that a new map is given.
    names: usize,
}

impl Views {
    /// A view without names, of no version; maps are given room for `names`.
    pub(super) fn new(names: usize) -> Views {
        let view = Arc::new(View {
            newest: Arc::new(Map::new(names)),
            frozen: Vec::new(),
            runs: Vec::new(),
            version: -1,
        });
        let known = Mark::default();
        let shared = Arc::new(Shared {
            view: RwLock::new(Arc::clone(&view)),
            known: RwLock::new(known),
        });
        Views {
            shared,
            view,
            known,
            names,
        }
    }

    /// The view as it is.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// What is shared with who only reads.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The mark up to which the view has every name.
    pub(super) fn known(&self) -> Mark {
        self.known
    }

    /// Says that the view has every name up to this mark.
    pub(super) fn know(&mut self, mark: Mark) {
        self.known = mark;
        *self.shared.known.write() = mark;
    }

    /// Adds names that are in no map and no run; answers how many.
    pub(super) fn insert(&self, batch: impl Iterator<Item = (Name, Entry)>) -> usize {
        self.view.newest.insert(batch)
    }

    /// Freezes the newest map, which together with all before it reaches `upto`.
    pub(super) fn freeze(&mut self, upto: Mark) {
        let fresh = Arc::new(Map::new(self.names));
        self.replace(|view| {
            let map = std::mem::replace(&mut view.newest, fresh);
            view.frozen.push(Frozen { map, upto });
        });
    }

    /// Lets go of the newest map's names, because runs hold them.
    pub(super) fn clear_newest(&mut self) {
        let fresh = Arc::new(Map::new(self.names));
        self.replace(|view| view.newest = fresh);
    }

    /// Changes the view, for everybody at once.
    pub(super) fn replace(&mut self, change: impl FnOnce(&mut View)) {
        let mut view = View::clone(&self.view);
        change(&mut view);
        view.runs
            .sort_by_key(|run| (run.level, std::cmp::Reverse(run.id)));
        self.view = Arc::new(view);
        let current = Arc::clone(&self.view);
        let former = std::mem::replace(&mut *self.shared.view.write(), current);
        // Freeing what only the former view held takes longer than readers should wait.
        drop(former);
    }
}
