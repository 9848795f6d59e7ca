//! Clients that are slow on purpose: they are let go, and nobody else notices them.

use crate::run::{pass, times};
use crate::server::Server;
use crate::wire::{Reply, Wire, request};
use crate::{alone, now, percentile};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a slow client sends a byte.
const DRIP: Duration = Duration::from_millis(200);
/// Slow clients of each kind.
const EACH: u64 = 20;

/// What became of a slow client.
#[derive(Debug)]
struct Gone {
    after: Duration,
    /// The status that it was told before the end.
    told: Option<u16>,
}

/// Sends byte after byte until there is an answer or the connection ends.
fn drips(mut wire: Wire, begun: Instant) -> Gone {
    let stream = wire.stream().try_clone().expect("a connection");
    stream.set_read_timeout(Some(DRIP)).expect("a time");
    let mut byte = [0_u8];
    loop {
        let sent = (&stream).write_all(b"a");
        let came = stream.peek(&mut byte);
        let waits = matches!(&came, Err(error) if is_wait(error.kind()));
        if sent.is_err() || !waits {
            let after = begun.elapsed();
            let told = wire.answer().map(|reply| reply.status);
            return Gone { after, told };
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it is never let go"
        );
    }
}

fn is_wait(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn slow_head(address: &str) -> Gone {
    let mut wire = Wire::to(address, "");
    wire.send(b"GET /livez HTTP/1.1\r\nhost: ");
    drips(wire, now())
}

fn slow_body(address: &str, token: &str) -> Gone {
    let mut wire = Wire::to(address, token);
    let head = request("POST /v1/holds", (token, "slow"), "x").replace(": 1\r\n", ": 900000\r\n");
    wire.send(head.as_bytes());
    drips(wire, now())
}

/// Asks again and again for a page and takes nothing of it.
fn slow_reader(address: &str) -> Gone {
    let stream = TcpStream::connect(address).expect("the system takes it");
    stream.set_write_timeout(Some(DRIP)).expect("a time");
    let page = request("GET /openapi.json", ("", ""), "");
    let begun = now();
    loop {
        let sent = (&stream).write(page.as_bytes());
        if let Err(error) = sent
            && !is_wait(error.kind())
        {
            let after = begun.elapsed();
            return Gone { after, told: None };
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it is never let go"
        );
        pass(DRIP);
    }
}

/// Asks nothing at all.
fn idle(address: &str) -> Gone {
    let stream = TcpStream::connect(address).expect("the system takes it");
    let patience = Some(Duration::from_secs(120));
    stream.set_read_timeout(patience).expect("a time");
    let begun = now();
    let read = (&stream).read(&mut [0]).expect("it ends in order");
    assert_eq!(read, 0, "nobody asked for anything");
    Gone {
        after: begun.elapsed(),
        told: None,
    }
}

/// What a client that is not slow waits for its answers until it is told to stop.
fn lives(server: &Server, token: &str, stop: &AtomicBool) -> Vec<Duration> {
    let mut wire = Wire::to(server.address(), token);
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let asked = now();
        assert_eq!(wire.get("/v1/skus/lamp").status, 200);
        times.push(asked.elapsed());
        pass(Duration::from_millis(5));
    }
    times
}

/// Lets many be slow at once; the earliest and the latest end, and what each was told.
fn all(kind: &str, slow: impl Fn() -> Gone + Sync) -> (Duration, Duration, Vec<Option<u16>>) {
    let gone: Vec<Gone> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..EACH).map(|_| scope.spawn(&slow)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Gone>| thread.join();
        let joined = threads.into_iter().map(join);
        joined.map(|gone| gone.expect("it was let go")).collect()
    });
    let after = || gone.iter().map(|gone| gone.after);
    let first = after().min().expect("there are some");
    let last = after().max().expect("there are some");
    println!("{kind}: {EACH} let go after {first:.1?} to {last:.1?}");
    (first, last, gone.iter().map(|gone| gone.told).collect())
}

#[test]
fn slow_clients_are_let_go_in_time_and_nobody_else_notices() {
    let server = Server::start(&[]);
    server.stock("lamp", 5);
    let (address, token) = (server.address().to_owned(), server.token());
    let stop = AtomicBool::new(false);
    let within = |(first, last, _): &(Duration, Duration, Vec<_>), from, to| {
        assert!(*first >= Duration::from_secs(from), "{first:?}");
        assert!(*last <= Duration::from_secs(to), "{last:?}");
    };
    let mut times = std::thread::scope(|scope| {
        let live = scope.spawn(|| lives(&server, &token, &stop));
        let heads = scope.spawn(|| all("slow heads", || slow_head(&address)));
        let bodies = scope.spawn(|| all("slow bodies", || slow_body(&address, &token)));
        let readers = scope.spawn(|| all("slow readers", || slow_reader(&address)));
        let idles = scope.spawn(|| match times(0, 1) {
            0 => None,
            _ => Some(all("idle connections", || idle(&address))),
        });
        let heads = heads.join().expect("they are let go");
        within(&heads, 7, 25);
        assert!(heads.2.iter().all(|told| *told == Some(408)), "{heads:?}");
        let bodies = bodies.join().expect("they are let go");
        within(&bodies, 25, 45);
        assert!(bodies.2.iter().all(|told| *told == Some(408)), "{bodies:?}");
        within(&readers.join().expect("they are let go"), 25, 55);
        if let Some(idles) = idles.join().expect("they are let go") {
            within(&idles, 55, 90);
        }
        stop.store(true, Ordering::Relaxed);
        live.join().expect("it is served")
    });
    let (middle, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!(
        "beside them: {} answers, p50 {middle:.2?}, p99 {most:.2?}",
        times.len()
    );
    assert!(most < Duration::from_secs(1), "{most:?}");
}

/// The largest body that is taken.
const BODY: usize = 1024 * 1024;
/// That there is room for 256 of them is not for a client to know.
const BODIES_MAX: usize = 400;

/// Asks with the largest body, which is no JSON.
fn largest(server: &Server) -> Reply {
    let body = "x".repeat(BODY);
    let reply = server.admin().ask("POST /v1/holds", "large", &body);
    assert!(matches!(reply.status, 400 | 503), "{reply:?}");
    reply
}

#[test]
fn bodies_that_are_on_their_way_fill_no_more_memory_than_there_is_for_them() {
    let _alone = alone();
    let server = Server::start(&[]);
    server.stock("lamp", 5);
    let head = request("POST /v1/holds", (&server.token(), "slow"), "x")
        .replace(": 1\r\n", &format!(": {BODY}\r\n"));
    let head = head.strip_suffix('x').expect("the body that was asked for");
    let part = [head.as_bytes(), &vec![b'x'; BODY - 1]].concat();
    let mut slow = Vec::new();
    let full = loop {
        let reply = largest(&server);
        if reply.status == 503 {
            break reply;
        }
        assert!(slow.len() < BODIES_MAX, "there is room for all of them");
        let mut wire = Wire::to(server.address(), "");
        wire.send(&part);
        slow.push(wire);
    };
    assert_eq!(full.code(), "unavailable");
    assert_eq!(full.header("retry-after"), Some("1"));
    let memory = server.memory() / (BODY as u64);
    println!(
        "{} bodies of {BODY} bytes on their way have {memory} MiB, then 503",
        slow.len()
    );
    drop(slow);
    for _ in 0..600 {
        if largest(&server).status == 400 {
            return;
        }
        pass(Duration::from_millis(20));
    }
    panic!("the memory is not given back");
}
