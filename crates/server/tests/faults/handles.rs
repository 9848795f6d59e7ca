//! No file handle left: more connections than the system gives handles for.

use crate::buyers::{Book, crowd, rush};
use crate::layer::free_address;
use crate::server::{Server, verify};
use crate::wire::Wire;
use crate::{choices, tell, times, until};
use std::net::TcpStream;

const BUYERS: usize = 6;
/// Connections that want in.
const CROWD: u64 = 100;
/// Of which there are handles for so many.
const ROOM: u64 = 30;

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
    rush(&mut buyers, &address, &book, || {
        for _ in 0..times(2, 20) {
            let before = book.acknowledged();
            until("all buyers are in", || book.acknowledged() > before + 50);
            let limit = server.open() + ROOM;
            server.let_open(Some(limit));
            let connect = |_| TcpStream::connect(&address).expect("the system takes it");
            let idle: Vec<TcpStream> = (0..CROWD).map(connect).collect();
            injected += CROWD - ROOM;
            until("no handle is left", || server.open() >= limit);
            let before = book.acknowledged();
            until("who is in is served", || book.acknowledged() > before + 200);
            drop(idle);
            let mut wire = Wire::to(&address, &token).expect("the server listens");
            let ready = wire.get("/readyz").expect("it is let in");
            assert_eq!(ready.status, 200, "{ready:?}");
            server.let_open(None);
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
