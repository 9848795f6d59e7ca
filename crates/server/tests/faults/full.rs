//! A disk without room, and one that cannot be written any more.

use crate::buyers::{Book, crowd, rush};
use crate::layer::{Layer, Word, free_address};
use crate::server::{Server, verify};
use crate::wire::Wire;
use crate::{choices, pass, tell, times, until};
use std::path::Path;
use std::time::Duration;

const BUYERS: usize = 6;
const NOTHING: i64 = 0;
const ANYTHING: i64 = 1;
const SHARED_MEMORY: i64 = 2;

fn status(address: &str, token: &str, path: &str) -> u16 {
    let mut wire = Wire::to(address, token).expect("the server listens");
    wire.get(path).expect("a running server answers").status
}

fn home_in(scratch: &Path) -> std::path::PathBuf {
    let home = scratch.join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    home
}

#[test]
fn a_full_disk_is_a_definite_507_and_it_goes_on_when_there_is_room() {
    let mut rng = choices("full disk");
    let rounds = times(3, 30);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = home_in(scratch.path());
    let layer = Layer::new(&home);
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let mut server = Server::start_at(&home, &address, Some(&layer));
    let token = server.token();
    let mut buyers = crowd(&server, BUYERS, &mut rng);
    for round in 0..rounds {
        let running = server;
        server = rush(&mut buyers, &address, &book, || {
            let mut server = running;
            pass(Duration::from_millis(rng.u64(50..300)));
            let before = book.answered(507);
            layer.set(Word::Full, ANYTHING);
            until("requests are told", || book.answered(507) > before + 20);
            assert_eq!(status(&address, &token, "/readyz"), 503, "it cannot write");
            assert_eq!(
                status(&address, &token, "/v1/skus/lamp"),
                200,
                "it can read"
            );
            if round % 3 == 2 {
                // What was refused must not come back to life.
                server.kill();
                let started = Server::try_start(&home, &address, Some(&layer));
                let ended = started.err().expect("nobody can write here");
                assert_eq!(ended.code, Some(3), "{ended:?}");
                let told = ["No space left on device", "full"];
                assert!(
                    told.iter().any(|word| ended.said.contains(word)),
                    "{ended:?}"
                );
                layer.set(Word::Full, NOTHING);
                server = Server::start_at(&home, &address, Some(&layer));
            }
            layer.set(Word::Full, NOTHING);
            let before = book.acknowledged();
            until("it goes on", || book.acknowledged() > before + 20);
            server
        });
        assert_eq!(status(&address, &token, "/readyz"), 200);
    }
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    assert_eq!(book.answered(500), 0, "{}", book.answers());
    let lost = verify(&home, book.path());
    server.kill();
    println!("full disk: {}", book.answers());
    tell(
        "full disk",
        layer.count(Word::Refused),
        book.acknowledged(),
        lost,
    );
}

#[test]
fn shared_memory_that_finds_no_room_behind_a_commit_ends_the_process() {
    let mut rng = choices("full shared memory");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = home_in(scratch.path());
    let layer = Layer::new(&home);
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let server = Server::start_at(&home, &address, Some(&layer));
    let mut buyers = crowd(&server, BUYERS, &mut rng);
    layer.set(Word::Full, SHARED_MEMORY);
    let ended = rush(&mut buyers, &address, &book, || server.end());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let told = "the disk did not confirm a write; start again to read what is on it";
    assert!(ended.said.contains(told), "{ended:?}");
    layer.set(Word::Full, NOTHING);
    let server = Server::start_at(&home, &address, Some(&layer));
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    let lost = verify(&home, book.path());
    server.kill();
    let injected = layer.count(Word::Refused);
    tell("full shared memory", injected, book.acknowledged(), lost);
}

#[test]
fn a_disk_that_turns_read_only_is_refused_politely_and_it_goes_on_when_it_can_write() {
    let mut rng = choices("read-only directory");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = home_in(scratch.path());
    let layer = Layer::new(&home);
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    layer.set(Word::ReadOnly, 1);
    let started = Server::try_start(&home, &address, Some(&layer));
    let ended = started.err().expect("nothing can be made here");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.said.contains("data"), "it names the place: {ended:?}");
    layer.set(Word::ReadOnly, 0);

    let server = Server::start_at(&home, &address, Some(&layer));
    let token = server.token();
    let mut buyers = crowd(&server, BUYERS, &mut rng);
    rush(&mut buyers, &address, &book, || {
        for _ in 0..times(3, 30) {
            pass(Duration::from_millis(rng.u64(50..200)));
            let before = book.answered(503);
            layer.set(Word::ReadOnly, 1);
            until("requests are told", || book.answered(503) > before + 20);
            assert_eq!(status(&address, &token, "/readyz"), 503, "it cannot write");
            assert_eq!(
                status(&address, &token, "/v1/skus/lamp"),
                200,
                "it can read"
            );
            layer.set(Word::ReadOnly, 0);
            let before = book.acknowledged();
            until("it goes on", || book.acknowledged() > before + 20);
        }
    });
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    assert_eq!(book.answered(500), 0, "{}", book.answers());
    let lost = verify(&home, book.path());
    server.kill();
    let injected = layer.count(Word::Refused);
    tell("read-only directory", injected, book.acknowledged(), lost);
}
