//! What a power cut could have left: the layer's journal, replayed up to a moment.
//!
//! Kept: what a sync confirmed before the cut is there, in files as in directories. Of everything
//! else any part may be: each sector of 512 bytes of each write, each change of a size, each name
//! that was made, moved or taken away, independently of the others. What a failed sync was to make
//! durable is not made so by a later one, because the system believes it written.
//!
//! A disk that [lies](Disk::that_lies) takes syncs for nothing: the proof that the test would see
//! what a missing sync loses.

use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;

const SECTOR: u64 = 512;
const HEAD: usize = 32;
const MAGIC: u32 = 0x4b45_4556;
/// An answer, written by the test itself.
const ACK: u32 = 100;

/// The head of a journal record that is an answer of this length.
pub(crate) fn frame(length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("an answer is short");
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(&MAGIC.to_le_bytes());
    head.extend_from_slice(&ACK.to_le_bytes());
    head.extend_from_slice(&[0; 16]);
    head.extend_from_slice(&length.to_le_bytes());
    head.extend_from_slice(&[0; 4]);
    head
}

/// A journal in memory.
pub(crate) struct Journal {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    op: u32,
    file: u64,
    at: u64,
    flags: u32,
    data: Range<usize>,
}

impl Journal {
    /// Reads it; a record that was being written when its writer was killed is left out.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("the journal can be read");
        let (mut records, mut from) = (Vec::new(), 0);
        while let Some(head) = bytes.get(from..from + HEAD) {
            let small = |at: usize| {
                let word = head[at..at + 4].try_into().expect("four bytes");
                u32::from_le_bytes(word)
            };
            let large = |at: usize| {
                let word = head[at..at + 8].try_into().expect("eight bytes");
                u64::from_le_bytes(word)
            };
            assert_eq!(small(0), MAGIC, "the journal is torn at {from}");
            let data = from + HEAD..from + HEAD + small(24) as usize;
            if data.end > bytes.len() {
                break;
            }
            from = data.end;
            records.push(Record {
                op: small(4),
                file: large(8),
                at: large(16),
                flags: small(28),
                data,
            });
        }
        Self { bytes, records }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    fn text(&self, record: &Record) -> String {
        let text = std::str::from_utf8(&self.bytes[record.data.clone()]);
        text.expect("names and answers are text").to_owned()
    }
}

/// A change of a file that no sync has confirmed.
struct Change {
    what: What,
    /// A sync that was to confirm it failed.
    forgotten: bool,
}

enum What {
    Write(u64, Range<usize>),
    Size(u64),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: VecDeque<Change>,
    /// Changes that are no longer pending.
    past: u64,
    /// The last change when a sync began, by the sync's number.
    syncs: BTreeMap<u64, u64>,
}

/// A change of names that no sync of its directory has confirmed.
#[derive(Clone)]
enum Naming {
    File(String, usize),
    Directory(String),
    Gone(String),
    Moved(String, String, usize),
}

impl Naming {
    fn name(&self) -> &str {
        match self {
            Self::File(name, _) | Self::Directory(name) | Self::Gone(name) => name,
            Self::Moved(_, to, _) => to,
        }
    }
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<String, usize>,
    directories: BTreeSet<String>,
}

impl Names {
    fn take(&mut self, naming: &Naming) {
        match naming {
            Naming::File(name, file) => {
                self.files.insert(name.clone(), *file);
            }
            Naming::Directory(name) => {
                self.directories.insert(name.clone());
            }
            Naming::Gone(name) => {
                self.files.remove(name);
            }
            Naming::Moved(from, to, file) => {
                self.files.remove(from);
                self.files.insert(to.clone(), *file);
            }
        }
    }
}

/// The directory of a name; that of the topmost ones is empty.
fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A disk at a moment of the journal.
pub(crate) struct Disk<'a> {
    journal: &'a Journal,
    next: usize,
    lies: bool,
    files: Vec<File>,
    /// Which file an inode is now, and which directory.
    inodes: BTreeMap<u64, usize>,
    folders: BTreeMap<u64, String>,
    now: Names,
    durable: Names,
    unnamed: Vec<(u64, Naming)>,
    namings: u64,
    folder_syncs: BTreeMap<(u64, u64), u64>,
    acks: String,
    acknowledged: u64,
}

impl<'a> Disk<'a> {
    pub(crate) fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            next: 0,
            lies: false,
            files: Vec::new(),
            inodes: BTreeMap::new(),
            folders: BTreeMap::new(),
            now: Names::default(),
            durable: Names::default(),
            unnamed: Vec::new(),
            namings: 0,
            folder_syncs: BTreeMap::new(),
            acks: String::new(),
            acknowledged: 0,
        }
    }

    /// One that confirms syncs and does nothing.
    pub(crate) fn that_lies(journal: &'a Journal) -> Self {
        Self {
            lies: true,
            ..Self::new(journal)
        }
    }

    /// Answers that were read before this moment, as `verify --acks` reads them.
    pub(crate) fn acks(&self) -> &str {
        &self.acks
    }

    /// How many of them promised an effect.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Goes on to a record.
    pub(crate) fn run_to(&mut self, end: usize, rng: &mut Rng) {
        let journal = self.journal;
        for record in &journal.records[self.next..end] {
            self.take(record, rng);
        }
        self.next = end;
    }

    fn take(&mut self, record: &Record, rng: &mut Rng) {
        match record.op {
            1 => self.open(record),
            2 => self.change(record.file, What::Write(record.at, record.data.clone())),
            3 => self.change(record.file, What::Size(record.at)),
            4 => self.sync_begins(record.file, record.at),
            5 => self.sync_ends(record.file, record.at, rng),
            6 => self.sync_fails(record.file, record.at),
            7 => self.name(Naming::Gone(self.journal.text(record))),
            8 => {
                let text = self.journal.text(record);
                let (from, to) = text.split_once('\0').expect("two names");
                let file = self.now.files[from];
                self.name(Naming::Moved(from.to_owned(), to.to_owned(), file));
            }
            9 => self.name(Naming::Directory(self.journal.text(record))),
            ACK => {
                let line = self.journal.text(record);
                self.acknowledged += u64::from(line.contains("\"status\":20"));
                self.acks.push_str(&line);
            }
            op => panic!("nobody writes a record of kind {op}"),
        }
    }

    fn open(&mut self, record: &Record) {
        const CREATED: u32 = 1;
        const DIRECTORY: u32 = 2;
        let name = self.journal.text(record);
        if record.flags & DIRECTORY != 0 {
            self.folders.insert(record.file, name);
        } else if record.flags & CREATED != 0 {
            let file = self.files.len();
            self.files.push(File::default());
            self.inodes.insert(record.file, file);
            self.name(Naming::File(name, file));
        }
    }

    fn name(&mut self, naming: Naming) {
        self.now.take(&naming);
        self.namings += 1;
        self.unnamed.push((self.namings, naming));
    }

    fn change(&mut self, inode: u64, what: What) {
        let file = &mut self.files[self.inodes[&inode]];
        file.pending.push_back(Change {
            what,
            forgotten: false,
        });
    }

    fn sync_begins(&mut self, inode: u64, number: u64) {
        if self.folders.contains_key(&inode) {
            self.folder_syncs.insert((inode, number), self.namings);
        } else if let Some(file) = self.inodes.get(&inode) {
            let file = &mut self.files[*file];
            file.syncs
                .insert(number, file.past + file.pending.len() as u64);
        }
    }

    fn sync_ends(&mut self, inode: u64, number: u64, rng: &mut Rng) {
        if self.lies {
            return;
        }
        if let Some(folder) = self.folders.get(&inode) {
            let upto = self.folder_syncs[&(inode, number)];
            let durable = &mut self.durable;
            self.unnamed.retain(|(at, naming)| {
                let confirmed = *at <= upto && parent(naming.name()) == folder;
                if confirmed {
                    durable.take(naming);
                }
                !confirmed
            });
        } else {
            let file = &mut self.files[self.inodes[&inode]];
            let upto = file.syncs.remove(&number).expect("a sync that began");
            while file.past < upto {
                let Some(change) = file.pending.pop_front() else {
                    break;
                };
                file.past += 1;
                let keep = if change.forgotten { 0.5 } else { 1.0 };
                apply(
                    &mut file.durable,
                    &change.what,
                    &self.journal.bytes,
                    (keep, rng),
                );
            }
        }
    }

    fn sync_fails(&mut self, inode: u64, number: u64) {
        let Some(file) = self.inodes.get(&inode) else {
            return;
        };
        let file = &mut self.files[*file];
        let upto = file.syncs.remove(&number).expect("a sync that began");
        let count = usize::try_from(upto.saturating_sub(file.past)).expect("they are in memory");
        for change in file.pending.iter_mut().take(count) {
            change.forgotten = true;
        }
    }

    /// Writes what is left if the power goes now into a directory.
    pub(crate) fn cut(&self, into: &Path, rng: &mut Rng) {
        let keep = [0.0, 0.1, 0.5, 0.9, 0.99][rng.usize(0..5)];
        let mut names = self.durable.clone();
        for (_, naming) in &self.unnamed {
            if rng.f64() < keep {
                names.take(naming);
            }
        }
        std::fs::create_dir_all(into).expect("a scratch directory");
        for directory in &names.directories {
            std::fs::create_dir_all(into.join(directory)).expect("a scratch directory");
        }
        for (name, file) in &names.files {
            let within = parent(name);
            if !within.is_empty() && !names.directories.contains(within) {
                continue;
            }
            let bytes = self.left(&self.files[*file], keep, rng);
            std::fs::write(into.join(name), bytes).expect("a scratch file");
        }
    }

    /// The bytes of a file that are left.
    fn left(&self, file: &File, keep: f64, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = file.durable.clone();
        // As often as not the disk has written in order, and stopped somewhere.
        let stop = rng.usize(0..=file.pending.len());
        let in_order = rng.bool();
        for (at, change) in file.pending.iter().enumerate() {
            let keep = match (in_order, at.cmp(&stop)) {
                (false, _) => keep,
                (true, std::cmp::Ordering::Less) => 1.0,
                (true, std::cmp::Ordering::Equal) => 0.5,
                (true, std::cmp::Ordering::Greater) => 0.0,
            };
            apply(&mut bytes, &change.what, &self.journal.bytes, (keep, rng));
        }
        bytes
    }
}

/// Does what of a change reaches the disk: each sector with the chance `keep`.
fn apply(bytes: &mut Vec<u8>, what: &What, journal: &[u8], (keep, rng): (f64, &mut Rng)) {
    let size = |number: u64| usize::try_from(number).expect("a file fits into memory");
    match what {
        What::Size(length) => {
            if rng.f64() < keep {
                bytes.resize(size(*length), 0);
            }
        }
        What::Write(at, data) => {
            let (mut from, end) = (*at, *at + data.len() as u64);
            while from < end {
                let to = (from / SECTOR + 1).saturating_mul(SECTOR).min(end);
                if rng.f64() < keep {
                    if bytes.len() < size(to) {
                        bytes.resize(size(to), 0);
                    }
                    let part = data.start + size(from - at)..data.start + size(to - at);
                    bytes[size(from)..size(to)].copy_from_slice(&journal[part]);
                }
                from = to;
            }
        }
    }
}

#[test]
fn what_was_synced_survives_a_cut_and_what_was_not_need_not() {
    let home = tempfile::tempdir().expect("a scratch directory");
    let path = home.path().join("journal");
    let record = |op: u32, at: u64, flags: u32, data: &[u8]| {
        let mut bytes = frame(data.len());
        bytes[4..8].copy_from_slice(&op.to_le_bytes());
        bytes[8..16].copy_from_slice(&u64::from(op == 1 && flags == 2).to_le_bytes());
        bytes[16..24].copy_from_slice(&at.to_le_bytes());
        bytes[28..32].copy_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    };
    let folder = |mut bytes: Vec<u8>| {
        bytes[8..16].copy_from_slice(&1_u64.to_le_bytes());
        bytes
    };
    let all = [
        record(1, 0, 2, b""),
        record(1, 0, 1, b"file"),
        record(2, 0, 0, &[7; 2048]),
        record(4, 1, 0, b""),
        record(2, 0, 0, &[8; 2048]),
        record(5, 1, 0, b""),
        folder(record(4, 2, 0, b"")),
        folder(record(5, 2, 0, b"")),
    ];
    std::fs::write(&path, all.concat()).expect("a journal");
    let journal = Journal::read(&path);
    let (mut mixed, mut nameless) = (false, false);
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut disk = Disk::new(&journal);
        disk.run_to(6, &mut rng);
        let early = home.path().join(format!("early-{seed}"));
        disk.cut(&early, &mut rng);
        nameless |= !early.join("file").exists();
        disk.run_to(journal.len(), &mut rng);
        let late = home.path().join(format!("late-{seed}"));
        disk.cut(&late, &mut rng);
        let bytes = std::fs::read(late.join("file")).expect("its name was synced");
        assert_eq!(bytes.len(), 2048, "what was synced is there");
        assert!(bytes.iter().all(|byte| matches!(byte, 7 | 8)));
        mixed |= bytes.contains(&7) && bytes.contains(&8);
    }
    assert!(mixed, "a write that was not synced is torn");
    assert!(nameless, "a name that was not synced is lost");
    let mut rng = Rng::with_seed(1);
    let mut disk = Disk::that_lies(&journal);
    disk.run_to(journal.len(), &mut rng);
    let gone = (0..50).any(|number| {
        let into = home.path().join(format!("lie-{number}"));
        disk.cut(&into, &mut rng);
        !into.join("file").exists()
    });
    assert!(gone, "a disk that lies keeps nothing for certain");
}
