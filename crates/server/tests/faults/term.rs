//! SIGTERM under load.

use crate::buyers::{Book, crowd, rush};
use crate::layer::free_address;
use crate::server::{Server, verify};
use crate::wire::{Silence, Wire};
use crate::{choices, pass, tell, times};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const BUYERS: usize = 12;

/// Reads long answers until told to stop; how many of them ended before their end.
fn read(address: &str, token: &str, over: &AtomicBool, cut: &AtomicU64) {
    while !over.load(Ordering::SeqCst) {
        let Ok(mut wire) = Wire::to(address, token) else {
            pass(Duration::from_millis(5));
            continue;
        };
        while !over.load(Ordering::SeqCst) {
            match wire.get("/v1/log?from=1&limit=200&proof=true") {
                Ok(reply) if !reply.last => {}
                Ok(_) | Err(Silence::None) => break,
                Err(Silence::Cut) => {
                    cut.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
        }
    }
}

#[test]
fn a_server_that_is_asked_to_end_cuts_no_answer_and_keeps_what_it_acknowledged() {
    let mut rng = choices("SIGTERM");
    let ends = times(5, 100);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let server = Server::start_at(&home, &address, None);
    let token = server.token();
    let mut buyers = crowd(&server, BUYERS, &mut rng);
    let (over, cut) = (AtomicBool::new(false), AtomicU64::new(0));
    let server = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| read(&address, &token, &over, &cut));
        }
        let server = rush(&mut buyers, &address, &book, || {
            let mut server = server;
            for _ in 0..ends {
                pass(Duration::from_millis(rng.u64(50..500)));
                server.signal(Signal::TERM);
                let ended = server.end();
                assert_eq!(ended.code, Some(0), "{ended:?}");
                server = Server::start_at(&home, &address, None);
            }
            server
        });
        over.store(true, Ordering::SeqCst);
        server
    });
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    let cut = cut.load(Ordering::SeqCst) + book.cut();
    println!(
        "SIGTERM: {cut} answers cut, {} requests unanswered",
        book.silent()
    );
    assert_eq!(cut, 0, "an answer was cut");
    let lost = verify(&home, book.path());
    server.kill();
    tell("SIGTERM", ends, book.acknowledged(), lost);
}
