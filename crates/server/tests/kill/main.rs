//! The real process, killed with -9 at random moments under load, twenty times on one directory;
//! and asked to end under load.
//!
//! Buyers place, confirm and release holds over HTTP until their connection breaks, and remember
//! what they were told. After each kill the server is started again, and what it then shows is
//! compared with what was told and with its own log, whose hashes and balances are computed here,
//! from the text, without any code of the engine. A request without an answer is sent again.
//!
//! `KILL_SEED` repeats a run's choices; what the threads make of them differs from run to run.

#[path = "../common/answer.rs"]
mod answer;
#[path = "../common/process.rs"]
mod process;

mod buyer;
mod ledger;
mod server;
#[cfg(feature = "postgres")]
#[path = "../../../engine/tests/servers/mod.rs"]
#[expect(dead_code, reason = "the engine's own tests use more of it")]
mod servers;

use buyer::Buyer;
use fastrand::Rng;
use ledger::Ledger;
use serde_json::json;
use server::{Home, Server, Wire};
use std::ops::RangeInclusive;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

const KILLS: usize = 20;
const BUYERS: usize = 24;
/// When the server is killed, after it began to serve; the first ones come while it warms up.
const LIFE_MS: RangeInclusive<u64> = 2..=450;
/// How soon a killed server must serve again.
const READY_MAX: Duration = Duration::from_secs(2);
/// How soon a server ends that is asked to.
const STOPPED_MAX: Duration = Duration::from_secs(2);
/// One SKU that never ends, and one that many want.
const STOCK: [(&str, u64); 2] = [("lamp", 10_000_000), ("vase", 400)];

fn seed() -> u64 {
    let given = std::env::var("KILL_SEED").ok();
    given.map_or_else(
        || fastrand::u64(..),
        |text| text.parse().expect("KILL_SEED is a whole number"),
    )
}

fn fill(wire: &mut Wire) {
    for (sku, units) in STOCK {
        let entry = json!({"name": sku, "price": {"amount": 1999, "currency": "EUR"}});
        let listed = wire.put(&format!("/v1/skus/{sku}"), &entry);
        assert_eq!(listed.status, 201, "{listed:?}");
        let units = json!({"quantity": units, "reference": "po-1"});
        let path = format!("/v1/skus/{sku}/receive");
        let received = wire.post(&path, &format!("receive-{sku}"), &units);
        assert_eq!(
            received.expect("the server answers").status,
            201,
            "it receives"
        );
    }
}

/// Sends load until `end` ends the server, at a moment that nothing but chance decides.
fn rush<T>(
    server: Server,
    buyers: &mut [Buyer],
    life: Duration,
    end: impl FnOnce(Server) -> T,
) -> T {
    let (sign_off, ended) = channel::<()>();
    let address = server.address().to_owned();
    std::thread::scope(|scope| {
        let address = address.as_str();
        for buyer in buyers {
            let sign_off = sign_off.clone();
            scope.spawn(move || {
                buyer.buy_until_it_breaks(address);
                drop(sign_off);
            });
        }
        drop(sign_off);
        let early = ended.recv_timeout(life);
        let how = end(server);
        assert_eq!(
            early,
            Err(RecvTimeoutError::Timeout),
            "every buyer lost its connection to a server that ran"
        );
        how
    })
}

/// Everything that must be true of a server that has come up again.
fn check(server: &Server, ledger: &mut Ledger, buyers: &mut [Buyer]) {
    let mut wire = server.wire();
    ledger.read_on(&mut wire);
    for buyer in buyers {
        buyer.check_what_was_told(&mut wire, ledger);
    }
    for (sku, received) in STOCK {
        ledger.check_balances(&mut wire, sku, received);
    }
}

fn restart(home: &Home, worst: &mut Duration) -> Server {
    let server = Server::start(home);
    *worst = (*worst).max(server.took());
    server
}

/// A server with stock, and buyers.
fn open(home: &Home, rng: &mut Rng) -> (Server, Vec<Buyer>) {
    let server = Server::start(home);
    fill(&mut server.wire());
    let buyer = |number| Buyer::new(number, server.token(), rng.fork());
    let buyers = (0..BUYERS).map(buyer).collect();
    (server, buyers)
}

#[test]
fn a_server_that_is_asked_to_end_answers_what_it_took_and_ends_within_two_seconds() {
    let home = Home::new(None);
    let (server, mut buyers) = open(&home, &mut Rng::with_seed(7));
    let idle = server.wire();
    let slow = server.half_a_request();
    let life = Duration::from_millis(300);
    let (status, took) = rush(server, &mut buyers, life, Server::terminate);
    drop((idle, slow));
    assert_eq!(status, Some(0));
    assert!(took < STOPPED_MAX, "it took {took:?} to end");
    let server = Server::start(&home);
    let mut ledger = Ledger::new();
    check(&server, &mut ledger, &mut buyers);
    let told: usize = buyers.iter().map(Buyer::placed).sum();
    assert!(told > BUYERS, "{told} holds are no load");
    assert_eq!(ledger.holds(), told, "a hold was made and nobody was told");
    assert!(server.kill(), "the server had ended by itself");
}

#[test]
fn what_was_acknowledged_survives_being_killed_twenty_times() {
    killed_again_and_again(&Home::new(None));
}

#[cfg(feature = "postgres")]
#[test]
fn what_was_acknowledged_survives_with_the_ledger_in_postgresql_too() {
    let database = servers::Server::start(&[]);
    killed_again_and_again(&Home::new(Some(database.url("postgres"))));
}

fn killed_again_and_again(home: &Home) {
    let seed = seed();
    println!("KILL_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let (mut server, mut buyers) = open(home, &mut rng);
    let (mut ledger, mut worst) = (Ledger::new(), Duration::ZERO);
    for _ in 0..KILLS {
        let life = Duration::from_micros(rng.u64(LIFE_MS) * 1000 + rng.u64(0..1000));
        let ran = rush(server, &mut buyers, life, Server::kill);
        assert!(ran, "the server had ended by itself");
        server = restart(home, &mut worst);
        check(&server, &mut ledger, &mut buyers);
    }
    for buyer in &mut buyers {
        buyer.settle(&mut server.wire());
    }
    let mut whole = Ledger::new();
    check(&server, &mut whole, &mut buyers);
    let told: usize = buyers.iter().map(Buyer::placed).sum();
    assert_eq!(
        whole.holds(),
        told,
        "every hold was told to exactly one key"
    );
    assert!(told > 20 * BUYERS, "{told} holds are no load");
    let retried: u64 = buyers.iter().map(Buyer::retried).sum();
    assert!(retried > 0, "no kill fell between a request and its answer");
    println!(
        "{KILLS} kills, {told} holds, {retried} unanswered requests sent again, {} log entries, \
         ready again after at most {} ms",
        whole.position(),
        worst.as_millis()
    );
    assert!(worst < READY_MAX, "ready only after {worst:?}");
    assert!(server.kill(), "the server had ended by itself");
}
