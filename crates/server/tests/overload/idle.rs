//! Connections that ask nothing: they cost memory and handles, and nothing else.

use crate::run::{pass, times};
use crate::server::{Server, handles};
use crate::wire::Wire;
use crate::{alone, now, percentile};
use std::net::TcpStream;
use std::time::Duration;

/// Most memory that a connection may cost which asks nothing.
const MEMORY_MAX: u64 = 64 * 1024;
/// Requests by which the others are judged.
const ASKED: usize = 2_000;

/// p99 of one who asks beside them.
fn beside(server: &Server) -> Duration {
    let mut wire = server.admin();
    let mut times: Vec<Duration> = (0..ASKED)
        .map(|_| {
            let asked = now();
            assert_eq!(wire.get("/v1/skus/lamp").status, 200);
            asked.elapsed()
        })
        .collect();
    percentile(&mut times, 99)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        pass(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_slow_nobody_down() {
    let _alone = alone();
    let server = Server::start(&[]);
    server.stock("lamp", 5);
    // Both processes need handles of their own for the rest.
    let count = times(1_000, 10_000).min(handles().saturating_sub(400));
    let alone = beside(&server);
    let before = server.memory();
    let connect = |_| TcpStream::connect(server.address()).expect("the system takes it");
    let idle: Vec<TcpStream> = (0..count).map(connect).collect();
    until("all are in", || server.open() > count);
    let each = server.memory().saturating_sub(before) / count;
    let crowded = beside(&server);
    println!(
        "{count} idle connections: {each} bytes each; p99 {crowded:.2?} beside them, {alone:.2?} \
         alone"
    );
    drop(idle);
    assert!(each < MEMORY_MAX, "{each} bytes a connection");
    let bound = alone * 5 + Duration::from_millis(50);
    assert!(crowded < bound, "{crowded:?}, {alone:?} alone");
}

#[test]
fn idle_connections_make_room_for_who_asks() {
    let _alone = alone();
    let server = Server::start(&[]);
    server.stock("lamp", 5);
    let token = server.token();
    // Connections get half of them.
    server.let_open(256);
    let connect = |_| TcpStream::connect(server.address()).expect("the system takes it");
    let idle: Vec<TcpStream> = (0..128).map(connect).collect();
    until("there is no room", || server.open() > 128);
    let asked = now();
    let mut late = Wire::to(server.address(), &token);
    assert_eq!(late.get("/v1/skus/lamp").status, 200);
    let waited = asked.elapsed();
    println!(
        "{} idle connections: who asks is in after {waited:.2?}",
        idle.len()
    );
    // Without it an idle connection is kept for a minute.
    assert!(waited < Duration::from_secs(20), "{waited:?}");
}
