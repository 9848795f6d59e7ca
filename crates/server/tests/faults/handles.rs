//! No file handle left: more connections than the system gives handles for.

use crate::buyers::{Book, crowd, rush};
use crate::layer::free_address;
use crate::server::{Server, verify};
use crate::wire::Wire;
use crate::{choices, tell, times, until};
use std::net::TcpStream;

const BUYERS: usize = 6;
/// Handles for everything; connections get half of them.
const HANDLES: u64 = 256;
/// Connections that want in; those for whom there is no room wait in the system's queue.
const CROWD: u64 = 200;

fn ready(address: &str, token: &str) -> u16 {
    let mut wire = Wire::to(address, token).expect("the system takes it");
    wire.get("/readyz").expect("it is let in").status
}

#[test]
fn without_handles_who_is_in_is_served_and_who_is_not_waits() {
    let mut rng = choices("no handles");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    let book = Book::new(&scratch.path().join("acks.jsonl"));
    let address = free_address();
    let server = Server::start_at(&home, &address, None);
    let token = server.token();
    let mut buyers = crowd(&server, BUYERS, &mut rng);
    let mut injected = 0;
    let served = |more: u64| {
        let before = book.acknowledged();
        until("who is in is served", || {
            book.acknowledged() > before + more
        });
    };
    let connect = |_| TcpStream::connect(&address).expect("the system takes it");
    rush(&mut buyers, &address, &book, || {
        for _ in 0..times(2, 20) {
            served(20);
            // More connections than half of the handles: files and calls keep the other half.
            server.let_open(Some(HANDLES));
            let idle: Vec<TcpStream> = (0..CROWD).map(connect).collect();
            injected += CROWD - HANDLES / 2;
            until("as many are in as may be", || server.open() > HANDLES / 2);
            served(100);
            drop(idle);
            assert_eq!(ready(&address, &token), 200);
            // No handle at all for whatever is new.
            server.let_open(Some(server.open()));
            let idle: Vec<TcpStream> = (0..20).map(connect).collect();
            injected += 20;
            served(100);
            server.let_open(None);
            assert_eq!(ready(&address, &token), 200);
            drop(idle);
        }
    });
    for buyer in &mut buyers {
        buyer.settle(&address, &book);
    }
    assert_eq!(book.answered(500), 0, "{}", book.answers());
    assert_eq!(book.cut(), 0, "an answer was cut");
    let lost = verify(&home, book.path());
    server.kill();
    tell("no handles", injected, book.acknowledged(), lost);
}
