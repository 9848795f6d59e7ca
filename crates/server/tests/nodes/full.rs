//! A disk of the database's without room: for its tables, and for its write-ahead log.

use crate::layer::Word;
use crate::shop::{Node, Shop};
use crate::stand::{AGAIN, RECOVERED, Stand};
use crate::{pass, times, until};
use std::time::Duration;

fn status(node: &Node, path: &str) -> u16 {
    let told = node.wire().get(path);
    told.expect("a running node answers").status
}

#[test]
fn tables_that_find_no_room_are_a_definite_507_and_it_goes_on_when_there_is_some() {
    let (shop, layer) = Shop::open_over("base", &[]);
    let rounds = times(2, 20);
    let mut stand = Stand::begin(&shop, &shop.url(), rounds * 6);
    for _ in 0..rounds {
        layer.set(Word::Full, 1);
        until("both nodes say so", || stand.ask() == [507, 507]);
        for node in &stand.nodes {
            assert_eq!(status(node, "/readyz"), 503, "it cannot write");
            assert_eq!(status(node, "/v1/skus/lamp"), 200, "it can read");
        }
        pass(Duration::from_secs(1));
        layer.set(Word::Full, 0);
        let took = stand.again();
        println!("no room for tables: sells again {took:?} after there is");
        assert!(took < AGAIN, "{took:?}");
    }
    let refused = layer.count(Word::Refused);
    let told = shop.database.said("could not extend file");
    println!("{refused} writes refused, {told} errors of the server");
    assert!(refused > 0 && told > 0, "{refused}, {told}");
    stand.end(&shop, &shop.url());
}

#[test]
fn a_log_that_finds_no_room_stops_the_server_and_loses_nothing() {
    // No file of the log is kept for being used again: the next one has to be made.
    let (shop, layer) = Shop::open_over("pg_wal", &["min_wal_size = 32MB", "wal_recycle = off"]);
    let rounds = times(1, 20);
    let mut stand = Stand::begin(&shop, &shop.url(), rounds * 6 + 4);
    for round in 0..rounds {
        layer.set(Word::Full, 1);
        until("the server says so", || {
            shop.database.run("SELECT pg_switch_wal()");
            shop.database.said("PANIC") > round
        });
        until("nobody sells", || stand.is_down());
        pass(Duration::from_secs(1));
        layer.set(Word::Full, 0);
        shop.database.revive();
        let took = stand.again();
        println!("no room for the log: sells again after {took:?}");
        assert!(took < RECOVERED, "{took:?}");
    }
    stand.end(&shop, &shop.url());
}
