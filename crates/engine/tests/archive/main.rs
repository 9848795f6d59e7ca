//! The log's old part: archived, read on through, brought back; and killed on the way.

#[path = "../asked/mod.rs"]
mod asked;
mod interrupted;

use asked::request;
use async_trait::async_trait;
use evenkeel_engine::archive::{Archivable, Archive, Archived, Ask, NotDone, keep_seals};
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::Command;
use evenkeel_engine::port::{Fault, LogRow, SegmentFile, SegmentFiles, SegmentName, Store};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::segments::{SegmentDir, SegmentMemory};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Report, verify};
use evenkeel_engine::{Done, Engine, Options, Ports, Request, Threads};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;
use tokio::task::yield_now;

/// A store with segments, the engine on it, and what archives.
struct Ground {
    store: Arc<Archived>,
    engine: Engine,
    archive: Archive,
}

async fn ground(store: Arc<dyn Store>, files: Arc<dyn SegmentFiles>) -> Ground {
    let store = Arc::new(Archived::new(store, files));
    let ports = Ports {
        outlet: None,
        store: Arc::clone(&store) as Arc<dyn Store>,
        gate: None,
        gateway: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        threads: Threads::Shared,
        ..Options::default()
    };
    let engine = Engine::start(ports, options).await.expect("it starts");
    let archive = Archive::new(engine.clone(), Arc::clone(&store));
    Ground {
        store,
        engine,
        archive,
    }
}

fn sku() -> SkuId {
    SkuId::new("lamp").expect("an id")
}

fn hold(number: u64) -> HoldId {
    HoldId::new(&format!("h-{number}")).expect("an id")
}

fn place(number: u64) -> Request {
    let line = Wanted {
        sku: sku(),
        location: LocationId::main(),
        quantity: Quantity::new(1).expect("one"),
    };
    let place = Place {
        id: hold(number),
        customer: CustomerId::new(&format!("c-{number}")).expect("an id"),
        lines: vec![line],
        ttl: Millis(600_000),
    };
    request(Command::Place(place), &format!("place-{number}"))
}

fn release(number: u64) -> Request {
    let id = hold(number);
    request(Command::Release { id }, &format!("release-{number}"))
}

impl Ground {
    async fn ask(&self, request: Request) -> Done {
        self.engine.execute(request).await.expect("it is done")
    }

    /// So many holds, of which every other one is released.
    async fn sell(&self, holds: std::ops::Range<u64>) {
        if holds.start == 0 {
            let price = Money::price(1999, Currency::new("EUR").expect("a code"));
            let terms = Terms {
                sku: sku(),
                name: "Lamp".to_owned(),
                price: price.expect("a price"),
                max_per_order: None,
                max_per_customer: None,
                sale: None,
            };
            self.ask(request(Command::PutSku { terms }, "put")).await;
            let receive = Command::ChangeStock {
                sku: sku(),
                location: LocationId::main(),
                change: Change::Receive(Quantity::new(1_000_000).expect("many")),
                reference: None,
                reason: None,
            };
            self.ask(request(receive, "receive")).await;
        }
        for number in holds {
            self.ask(place(number)).await;
            if number.is_multiple_of(2) {
                self.ask(release(number)).await;
            }
        }
    }

    async fn log(&self) -> Vec<LogRow> {
        let (mut rows, mut next) = (Vec::new(), 1);
        loop {
            let page = self.store.log(next, 7).await.expect("readable").rows;
            let Some(last) = page.last() else {
                return rows;
            };
            next = last.position + 1;
            rows.extend(page);
        }
    }

    async fn verified(&self, deep: bool) -> Report {
        let inputs = Inputs {
            deep,
            ..Inputs::default()
        };
        verify(&*self.store, inputs).await.expect("readable")
    }

    async fn run(&self, rows: u64) -> Result<Archivable, NotDone> {
        let ask = Ask {
            rows,
            ..Ask::default()
        };
        self.archive.run(ask, Inputs::default()).await
    }

    async fn floor(&self) -> u64 {
        self.engine.head().await.expect("readable").floor
    }
}

/// Files every step of which takes time, so that a process can be killed before and after it.
struct Slow(SegmentMemory);

struct SlowFile(Box<dyn SegmentFile>);

#[async_trait]
impl SegmentFiles for Slow {
    async fn begin(&self, first: u64, dice: [u8; 16]) -> Result<Box<dyn SegmentFile>, Fault> {
        yield_now().await;
        Ok(Box::new(SlowFile(self.0.begin(first, dice).await?)))
    }

    async fn size(&self, name: SegmentName) -> Result<Option<u64>, Fault> {
        self.0.size(name).await
    }

    async fn read(
        &self,
        name: SegmentName,
        from: u64,
        length: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        yield_now().await;
        self.0.read(name, from, length).await
    }

    async fn remove(&self, name: SegmentName) -> Result<(), Fault> {
        yield_now().await;
        let removed = self.0.remove(name).await;
        yield_now().await;
        removed
    }
}

#[async_trait]
impl SegmentFile for SlowFile {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        yield_now().await;
        self.0.append(bytes).await
    }

    async fn finish(self: Box<Self>, name: SegmentName) -> Result<(), Fault> {
        yield_now().await;
        let finished = self.0.finish(name).await;
        yield_now().await;
        finished
    }
}

async fn in_memory() -> (Ground, MemoryStore, SegmentMemory) {
    let (store, files) = (MemoryStore::new("main", [5; 16]), SegmentMemory::default());
    let ground = ground(Arc::new(store.clone()), Arc::new(Slow(files.clone()))).await;
    (ground, store, files)
}

/// The name of the one file of a segment.
fn named(files: &SegmentMemory, first: u64) -> SegmentName {
    let names: Vec<SegmentName> = files.edit(|files| files.keys().copied().collect());
    let mut names = names.into_iter().filter(|name| name.first == first);
    let name = names.next().expect("it is there");
    assert_eq!(names.next(), None, "and no other");
    name
}

fn is_green(report: &Report) {
    let found: Vec<_> = report.findings().collect();
    assert!(report.ok, "{found:#?}");
}

#[tokio::test]
async fn what_was_archived_is_read_as_before() {
    let (ground, store, _) = in_memory().await;
    ground.sell(0..40).await;
    let before = ground.log().await;
    let done = ground.run(16).await.expect("nothing is damaged");
    let firsts: Vec<u64> = done.segments.iter().map(|row| row.first).collect();
    assert_eq!(firsts, [1, 17, 33]);
    assert_eq!((done.floor, ground.floor().await), (49, 49));
    assert_eq!(store.tables().log[0].position, 49, "the rows have left");
    assert_eq!(ground.log().await, before);
    for deep in [false, true] {
        is_green(&ground.verified(deep).await);
    }
    assert_eq!(
        ground.verified(false).await.folded_from,
        48,
        "a seal at each boundary"
    );
    // An old key is answered from the row that its command wrote.
    let first = ground.ask(place(0)).await;
    assert!(first.replayed);
    ground.sell(40..80).await;
    ground.run(16).await.expect("nothing is damaged");
    assert_eq!(ground.floor().await, 113);
    assert_eq!(ground.log().await[..before.len()], before);
    is_green(&ground.verified(true).await);
}

#[tokio::test]
async fn nothing_below_what_somebody_needs_is_archived() {
    let (ground, _, _) = in_memory().await;
    ground.sell(0..20).await;
    let ask = Ask {
        before: 20,
        rows: 8,
    };
    let done = ground.archive.run(ask, Inputs::default()).await;
    assert_eq!(done.expect("nothing is damaged").floor, 17);
    let head = ground.engine.head().await.expect("readable").position;
    let done = ground.run(1).await.expect("nothing is damaged");
    assert_eq!(done.floor, head, "the newest row stays");
    assert_eq!(done.limit, (head, "the head"));
}

#[tokio::test]
async fn a_damaged_store_is_left_as_it_is() {
    let (ground, store, _) = in_memory().await;
    ground.sell(0..20).await;
    store.edit(|tables| drop(tables.holds.pop_first()));
    let refused = ground.run(8).await.expect_err("it is damaged");
    assert!(matches!(refused, NotDone::Damaged(_)), "{refused:?}");
    assert_eq!(ground.floor().await, 1);
}

#[tokio::test]
async fn a_segment_comes_back_row_by_row() {
    let (ground, store, files) = in_memory().await;
    ground.sell(0..40).await;
    let before = ground.log().await;
    ground.run(16).await.expect("nothing is damaged");
    let refused = ground
        .archive
        .bring_back(17)
        .await
        .expect_err("33 is in between");
    assert!(matches!(refused, NotDone::NotBelow(49)), "{refused:?}");
    for first in [33, 17, 1] {
        let floor = ground.archive.bring_back(first).await.expect("it is whole");
        assert_eq!(floor, first);
        assert_eq!(ground.log().await, before);
        is_green(&ground.verified(true).await);
    }
    assert_eq!(store.tables().log, before);
    assert_eq!(files.edit(|files| files.len()), 0);
    ground.run(16).await.expect("and they may leave again");
    assert_eq!(ground.log().await, before);
}

#[tokio::test]
async fn a_lost_or_damaged_segment_is_named_and_never_read_over() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [
        |file| file[20] ^= 1,
        |file| file.truncate(file.len() - 1),
        |file| {
            let at = file.len() - 60;
            file[at] ^= 1;
        },
        Vec::clear,
    ];
    for damage in damages {
        let (ground, _, files) = in_memory().await;
        ground.sell(0..40).await;
        ground.run(16).await.expect("nothing is damaged");
        ground.store.forget();
        let name = named(&files, 17);
        files.edit(|files| damage(files.get_mut(&name).expect("it is there")));
        let fault = ground.store.log(18, 1).await.expect_err("it is damaged");
        assert!(
            matches!(&fault, Fault::Corrupt(what) if what.contains("segment 17")),
            "{fault}"
        );
        assert_eq!(
            ground.store.log(16, 1).await.expect("readable").rows.len(),
            1
        );
        let report = ground.verified(true).await;
        let check = report.check(Invariant::I16);
        let named = |kind, id: &str| {
            let mut findings = check.findings.iter();
            findings.any(|it| it.kind == kind && it.subject.id == id)
        };
        assert!(named(Kind::SegmentDamaged, "17"), "{check:#?}");
        assert!(!named(Kind::SegmentDamaged, "1") && !named(Kind::SegmentDamaged, "33"));
        // Beside the newest seal, too: the first row of each is read.
        assert!(!ground.verified(false).await.ok);
        ground
            .archive
            .bring_back(33)
            .await
            .expect("that one is whole");
        ground
            .archive
            .bring_back(17)
            .await
            .expect_err("it is damaged");
    }
}

#[tokio::test]
async fn a_lost_file_is_named_in_the_list() {
    let (ground, _, files) = in_memory().await;
    ground.sell(0..20).await;
    ground.run(8).await.expect("nothing is damaged");
    let name = named(&files, 9);
    let lost = files.edit(|files| files.remove(&name));
    let lost = lost.expect("it was there");
    let list = ground.archive.list().await.expect("readable");
    let damaged: Vec<u64> = list
        .iter()
        .filter(|kept| kept.damage.is_some())
        .map(|kept| kept.row.first)
        .collect();
    assert_eq!(damaged, [9]);
    files.edit(|files| files.insert(name, lost));
    let list = ground.archive.list().await.expect("readable");
    assert!(list.iter().all(|kept| kept.damage.is_none()));
}

const NAMES: NamesOptions = NamesOptions {
    run_names: 16,
    tier: 2,
    background: false,
};

fn files(dir: &Path) -> (Arc<dyn Store>, Arc<dyn SegmentFiles>) {
    let store = SqliteStore::open(dir, &SystemIds, NAMES).expect("it opens");
    (
        Arc::new(store),
        Arc::new(SegmentDir::new(&dir.join("segments"))),
    )
}

#[tokio::test]
async fn a_store_in_a_file_is_archived_and_starts_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, segments) = files(dir.path());
    let first = ground(store, segments).await;
    first.sell(0..60).await;
    let before = first.log().await;
    let done = first.run(16).await.expect("nothing is damaged");
    assert!(done.segments.len() > 2, "{done:?}");
    assert_eq!(first.store.lowest().await, Ok(Some(done.floor)));
    for row in &done.segments {
        let path = SegmentDir::new(&dir.path().join("segments")).path(row.name());
        assert_eq!(
            std::fs::metadata(path).expect("it is there").len(),
            row.bytes
        );
    }
    first.engine.stop().await;
    drop(first);
    let (store, segments) = files(dir.path());
    let second = ground(store, segments).await;
    assert_eq!(second.log().await, before);
    is_green(&second.verified(true).await);
    is_green(&second.verified(false).await);
    assert!(second.ask(place(3)).await.replayed);
    let last = done.segments.last().expect("some").first;
    second.archive.bring_back(last).await.expect("it is whole");
    assert_eq!(second.log().await, before);
    second.engine.stop().await;
}

#[tokio::test]
async fn a_file_has_what_its_own_writer_wrote_and_nothing_of_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = SegmentDir::new(&dir.path().join("segments"));
    let name = |dice| SegmentName {
        first: 1,
        index: [dice; 32],
    };
    let mut slow = files.begin(1, [1; 16]).await.expect("begun");
    let of_next = files.begin(2, [2; 16]).await.expect("begun");
    let mut quick = files.begin(1, [3; 16]).await.expect("begun");
    quick.append(b"quick".to_vec()).await.expect("written");
    quick.finish(name(3)).await.expect("it is the newest");
    slow.append(b"slow and long".to_vec())
        .await
        .expect("written");
    slow.finish(name(1)).await.expect_err("it was removed");
    of_next
        .finish(name(2))
        .await
        .expect("it is of another segment");
    let read = files.read(name(3), 0, 100).await.expect("readable");
    assert_eq!(read.as_deref(), Some(&b"quick"[..]));
    assert_eq!(files.size(name(1)).await, Ok(None));
    let left = std::fs::read_dir(dir.path().join("segments")).expect("it is there");
    assert_eq!(left.count(), 2, "nothing is left of what was only begun");
}

#[tokio::test]
async fn a_segment_is_a_file_that_any_zstd_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, segments) = files(dir.path());
    let ground = ground(store, segments).await;
    ground.sell(0..60).await;
    let before = ground.log().await;
    let done = ground.run(16).await.expect("nothing is damaged");
    assert_eq!(done.segments[1].first, 17);
    let path = SegmentDir::new(&dir.path().join("segments")).path(done.segments[1].name());
    let file = std::fs::read(path).expect("it is there");
    let text = zstd::stream::decode_all(&file[..]).expect("it opens");
    let lines: Vec<&[u8]> = text.trim_ascii_end().split(|byte| *byte == b'\n').collect();
    let rows = before[16..32].iter().map(|row| row.text.as_slice());
    assert!(rows.eq(lines), "one row a line, byte for byte");
    ground.engine.stop().await;
}

#[tokio::test]
async fn only_the_newest_seals_are_kept() {
    let (ground, store, _) = in_memory().await;
    for round in 0..8 {
        ground.sell(round * 5..round * 5 + 5).await;
        let head = ground.engine.head().await.expect("readable").position;
        let inputs = Inputs {
            seal_at: vec![head],
            ..Inputs::default()
        };
        let report = verify(&*ground.store, inputs).await.expect("readable");
        keep_seals(&ground.engine, &report).await.expect("kept");
    }
    let kept: Vec<u64> = store.tables().seals.into_keys().collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    let newest = *kept.last().expect("four");
    assert_eq!(ground.verified(false).await.folded_from, newest);
    // One from zero stands in the place of all others.
    let inputs = Inputs {
        deep: true,
        seal_at: vec![10],
        ..Inputs::default()
    };
    let report = verify(&*ground.store, inputs).await.expect("readable");
    keep_seals(&ground.engine, &report).await.expect("kept");
    assert_eq!(store.tables().seals.into_keys().collect::<Vec<_>>(), [10]);
}
