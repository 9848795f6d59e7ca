//! Syncs that fail: the process ends, and what it had promised is there when it starts again.

use crate::buyers::{Book, Buyer, crowd, rush};
use crate::disk::{Disk, Journal, frame};
use crate::layer::{Layer, Word, free_address};
use crate::server::{Ended, Server, try_verify};
use crate::{choices, pass, tell, times, until};
use fastrand::Rng;
use std::path::Path;
use std::time::Duration;

const BUYERS: usize = 6;
const LOG: i64 = 1;
const DATABASE: i64 = 2;

/// A server whose disk can fail, and its buyers.
struct Shop {
    layer: Layer,
    book: Book,
    address: String,
    buyers: Vec<Buyer>,
}

impl Shop {
    fn open(home: &Path, rng: &mut Rng) -> (Self, Server) {
        std::fs::create_dir(home).expect("a scratch directory");
        let layer = Layer::with_journal(home);
        let book = Book::within(layer.journal(), frame);
        let address = free_address();
        let server = Server::start_at(home, &address, Some(&layer));
        let buyers = crowd(&server, BUYERS, rng);
        let shop = Self {
            layer,
            book,
            address,
            buyers,
        };
        (shop, server)
    }

    /// Lets the buyers buy until a sync of that file has failed and the server has ended.
    fn fail(&mut self, server: Server, of: i64, after: Duration) -> Ended {
        let layer = &self.layer;
        rush(&mut self.buyers, &self.address, &self.book, || {
            pass(after);
            layer.set(Word::SyncOf, of);
            layer.set(Word::SyncFails, 1);
            server.end()
        })
    }

    /// Lets a sync of the log fail, and kills the server before it has ended by itself: what it
    /// could not sync is what the next start finds.
    fn fail_and_kill(&mut self, server: Server, after: Duration) {
        let layer = &self.layer;
        rush(&mut self.buyers, &self.address, &self.book, || {
            pass(after);
            let before = layer.count(Word::Unsynced);
            layer.set(Word::SyncOf, LOG);
            layer.set(Word::SyncFails, 1);
            while layer.count(Word::Unsynced) == before {
                pass(Duration::from_millis(1));
            }
            drop(server);
        });
    }

    fn settle(&mut self) {
        for buyer in &mut self.buyers {
            buyer.settle(&self.address, &self.book);
        }
    }
}

fn check_the_end(ended: &Ended) {
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let told = "the disk did not confirm a write; start again to read what is on it";
    assert!(ended.said.contains(told), "{ended:?}");
}

/// The answers of a journal so far, compared with what the server that runs has.
fn compare(home: &Path, disk: &Disk<'_>) -> u64 {
    let acks = home.with_extension("acks");
    std::fs::write(&acks, disk.acks()).expect("a scratch file");
    let verified = try_verify(home, &acks);
    let verified = verified.unwrap_or_else(|ended| panic!("no verdict: {ended:?}"));
    assert_eq!(verified.violated, Vec::<String>::new());
    verified.lost
}

/// What was acknowledged, and what is missing of it: now, and after a power cut. The system
/// believes that what a failed sync was to write is written; what was told after a restart must be
/// on the disk all the same.
fn compare_both(shop: &Shop, scratch: &Path, rng: &mut Rng) -> (u64, u64) {
    let journal = Journal::read(shop.layer.journal());
    let mut disk = Disk::new(&journal);
    disk.run_to(journal.len(), rng);
    let mut lost = compare(&scratch.join("home"), &disk);
    let cut = scratch.join("cut");
    std::fs::create_dir(&cut).expect("a scratch directory");
    let left = cut.join("home");
    disk.cut(&left, rng);
    let after = Server::start(&left, None);
    lost += compare(&left, &disk);
    after.kill();
    (disk.acknowledged(), lost)
}

#[test]
fn a_sync_of_the_log_that_fails_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    let mut rng = choices("failed sync");
    let rounds = times(3, 50);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    let (mut shop, mut server) = Shop::open(&home, &mut rng);
    for round in 0..rounds {
        let after = Duration::from_millis(rng.u64(50..400));
        if round % 3 == 1 {
            check_the_end(&shop.fail(server, LOG, after));
        } else {
            shop.fail_and_kill(server, after);
        }
        server = Server::start_at(&home, &shop.address, Some(&shop.layer));
        // What was under way is asked for by its key: each has one answer, whatever became of it.
        shop.settle();
    }
    server.kill();
    let (acknowledged, lost) = compare_both(&shop, scratch.path(), &mut rng);
    assert_eq!(shop.layer.count(Word::Unsynced), rounds);
    tell("failed sync", rounds, acknowledged, lost);
}

#[test]
fn a_sync_of_the_database_that_fails_in_a_checkpoint_ends_the_process_too() {
    let mut rng = choices("failed checkpoint");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    let (mut shop, server) = Shop::open(&home, &mut rng);
    let ended = shop.fail(server, DATABASE, Duration::ZERO);
    check_the_end(&ended);
    // And once more while it starts, which is told in the same words.
    shop.layer.set(Word::SyncFails, 1);
    let started = Server::try_start(&home, &shop.address, Some(&shop.layer));
    let Err(ended) = started else {
        panic!("it serves from a disk that did not confirm");
    };
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let server = Server::start_at(&home, &shop.address, Some(&shop.layer));
    shop.settle();
    until("it can write", || shop.layer.get(Word::SyncFails) <= 0);
    server.kill();
    let (acknowledged, lost) = compare_both(&shop, scratch.path(), &mut rng);
    let injected = shop.layer.count(Word::Unsynced);
    tell("failed checkpoint", injected, acknowledged, lost);
}
