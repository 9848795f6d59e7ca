//! A process that is stopped for a while and goes on.

use crate::buyers::{Book, Buyer, crowd, rush};
use crate::layer::free_address;
use crate::server::{Server, verify};
use crate::{choices, pass, tell, times, until};
use rustix::process::Signal;
use std::time::Duration;

const BUYERS: usize = 6;
/// Holds end while it stands still: a confirm that comes afterwards must not win.
const LIFE_MS: u64 = 1_500;

/// How often it found that its lease had run out.
fn fenced(server: &Server) -> u64 {
    server.said().matches("fenced: joining again").count() as u64
}

#[test]
fn a_process_that_stood_still_sells_nothing_twice() {
    let mut rng = choices("paused process");
    // Longer than a lease, which is 3 s: the longest call and two beats.
    let pause = Duration::from_secs(times(5, 30));
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let server = Server::start_at(&home, &address, None);
    let crowd = crowd(&server, BUYERS, &mut rng).into_iter();
    let mut buyers: Vec<Buyer> = crowd.map(|buyer| buyer.with_ttl(LIFE_MS)).collect();
    let mut injected = 0;
    rush(&mut buyers, &address, &book, || {
        for _ in 0..times(1, 5) {
            pass(Duration::from_millis(rng.u64(200..500)));
            server.signal(Signal::STOP);
            pass(pause);
            server.signal(Signal::CONT);
            injected += 1;
            let before = book.acknowledged();
            until("it goes on", || book.acknowledged() > before + 100);
            until("it has a lease again", || fenced(&server) >= injected);
        }
    });
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    assert!(book.answered(409) > 0, "no hold ended: {}", book.answers());
    assert_eq!(
        (book.answered(500), book.cut()),
        (0, 0),
        "{}",
        book.answers()
    );
    let lost = verify(&home, book.path());
    server.kill();
    tell("paused process", injected, book.acknowledged(), lost);
}
