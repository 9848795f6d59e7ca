//! How fast what is in the log reaches subscribers: webhooks to a sink over HTTP, and a reader in
//! process.
//!
//! `cargo bench -p evenkeel-engine --bench relay -- --events 100000 --keys 2000`. The sink is a
//! task of this process and checks that each key's versions come in order. The log is written
//! first; what is timed is the way from the first post to the checkpoint at the head.
//!
//! `-- --drain 1000000 [--rate 500] [--seconds 10] [--rounds 3]` measures what live traffic feels
//! instead: holds that are placed and confirmed at a steady rate, offered whether or not the ones
//! before were answered; with nothing to tell, while so many events drain, and while they drain
//! without the relay's knowing of clients (commands without a key do not count as theirs).

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the real clock on real tasks"
)]

mod common;
#[path = "common/listener.rs"]
mod listener;

use common::{argument, ask, place, ports, put, receive, sku, start, store};
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::consumer::{PAGE_MAX, Reading};
use evenkeel_engine::gateway::http::{HttpGateway, HttpOptions};
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::port::Ids as _;
use evenkeel_engine::relay::sign::secret_of;
use evenkeel_engine::{Engine, Ports};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, Filter};
use evenkeel_rules::time::Millis;
use listener::listen;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The last version of each key, and how many events came.
#[derive(Default)]
struct Seen {
    last: BTreeMap<String, u64>,
    count: u64,
    out_of_order: u64,
}

type Sink = Arc<Mutex<Seen>>;

fn member<'a>(body: &'a str, name: &str) -> &'a str {
    let at = body.find(name).map_or(body.len(), |at| at + name.len());
    let end = body[at..].find(['"', ',']).unwrap_or(0);
    &body[at..at + end]
}

fn note(sink: &Sink, body: &[u8]) {
    let body = std::str::from_utf8(body).unwrap_or_default();
    let subject = member(body, "\"subject\":\"").to_owned();
    let version: u64 = member(body, "\"evenkeelversion\":").parse().unwrap_or(0);
    let mut seen = sink.lock();
    seen.count += 1;
    let last = seen.last.insert(subject, version).unwrap_or(0);
    seen.out_of_order += u64::from(version != last + 1);
}

async fn open(dir: &Path, sink: SocketAddr) -> Engine {
    let options = HttpOptions {
        allow: Outbound::only(&[sink.to_string()]).expect("a place"),
        ..HttpOptions::default()
    };
    let outlet = HttpGateway::new(options).expect("nothing is configured");
    start(Ports {
        outlet: Some(Arc::new(outlet)),
        ..ports(store(dir))
    })
    .await
}

/// Writes so many events, each key's one after the other.
async fn fill(engine: &Engine, (events, keys): (u64, u64)) {
    for round in 0..events / keys {
        let mut tasks = tokio::task::JoinSet::new();
        for key in 0..keys {
            let engine = engine.clone();
            let put = put(sku(key), &format!("round {round}"));
            tasks.spawn(async move { ask(&engine, put, "").await });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("it is put");
        }
    }
}

fn id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("an id")
}

fn all() -> Vec<Filter> {
    vec![Filter::new("sku.*").expect("a filter")]
}

/// A subscription of a sink to everything.
fn subscribe(name: &str, sink: SocketAddr) -> Command {
    let ask = Ask {
        id: id(name),
        url: Some(format!("http://{sink}/hook")),
        types: all(),
        from: Some(1),
    };
    Command::Subscription(Subscribing::Create {
        ask: Box::new(ask),
        secret: secret_of(&[SystemIds.random(), SystemIds.random()].concat()),
    })
}

async fn webhooks(engine: &Engine, sink: SocketAddr) -> f64 {
    let begin = Instant::now();
    ask(engine, subscribe("hook", sink), "").await;
    loop {
        let head = engine.head().await.expect("readable").position;
        let row = engine.store().subscription(&id("hook")).await;
        let row = row.expect("readable").rows.expect("it exists");
        if row.progress.checkpoint == head {
            return begin.elapsed().as_secs_f64();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn reader(engine: &Engine) -> (u64, f64) {
    let reading = Reading {
        id: id("reader"),
        types: all(),
        from: Some(1),
    };
    let mut reader = engine.subscribe(reading).await.expect("it opens");
    let (begin, mut count) = (Instant::now(), 0);
    loop {
        let page = reader.page(PAGE_MAX).await.expect("readable");
        if page.upto == reader.checkpoint() {
            return (count, begin.elapsed().as_secs_f64());
        }
        count += page.events.len() as u64;
        reader.commit(page.upto, None).await.expect("it is noted");
    }
}

/// Whether the relay may know that it is clients who ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

async fn hold(engine: Engine, (number, known): (u128, Known)) {
    let place = place(number, sku(0), Millis(900_000));
    let id = place.id.clone();
    let key = |verb: &str| match known {
        Known::Yes => format!("{verb}-{number}"),
        Known::No => String::new(),
    };
    ask(&engine, Command::Place(place), &key("place")).await;
    let confirm = Command::Confirm { id, lines: None };
    ask(&engine, confirm, &key("confirm")).await;
}

/// How long the slowest hundredth of holds takes at least, in ms, from when it was to begin.
async fn live(engine: &Engine, (rate, seconds): (u64, u64), known: Known) -> f64 {
    let mut tasks = tokio::task::JoinSet::new();
    let begin = tokio::time::Instant::now();
    for number in 0..rate * seconds {
        let at = begin + Duration::from_micros(number * 1_000_000 / rate);
        tokio::time::sleep_until(at).await;
        let engine = engine.clone();
        let id = u128::from_le_bytes(SystemIds.random());
        tasks.spawn(async move {
            hold(engine, (id, known)).await;
            at.elapsed()
        });
    }
    let mut waits = Vec::new();
    while let Some(wait) = tasks.join_next().await {
        waits.push(wait.expect("no caller panics"));
    }
    waits.sort();
    waits[waits.len() * 99 / 100].as_secs_f64() * 1_000.0
}

async fn act(engine: &Engine, act: Act) {
    let change = Subscribing::Change {
        id: id("drain"),
        act,
        private: String::new(),
        lease: None,
    };
    let change = Command::Subscription(change);
    ask(engine, change, "").await;
}

/// How far the subscription that drains is.
async fn drained(engine: &Engine) -> u64 {
    let row = engine.store().subscription(&id("drain")).await;
    let row = row.expect("readable").rows.expect("it exists");
    row.progress.checkpoint
}

async fn drain(engine: &Engine, (events, keys): (u64, u64), sink: SocketAddr) {
    let offered = (argument("--rate", 500), argument("--seconds", 10));
    fill(engine, (events, keys)).await;
    ask(engine, receive(sku(0)), "").await;
    let end = engine.head().await.expect("readable").position;
    ask(engine, subscribe("drain", sink), "").await;
    act(engine, Act::Pause).await;
    live(engine, (offered.0, 2), Known::Yes).await;
    let mut ratios = Vec::new();
    for _ in 0..argument("--rounds", 3) {
        let base = live(engine, offered, Known::Yes).await;
        let mut measured = Vec::new();
        for known in [Known::Yes, Known::No] {
            let from = drained(engine).await;
            act(engine, Act::Resume).await;
            let begin = Instant::now();
            let p99 = live(engine, offered, known).await;
            act(engine, Act::Pause).await;
            let upto = drained(engine).await;
            assert!(upto < end, "it was drained before the measurement ended");
            measured.push((p99, (upto - from) as f64 / begin.elapsed().as_secs_f64()));
        }
        let [(paced, rate), (free, free_rate)] = measured[..] else {
            unreachable!("two were measured")
        };
        println!(
            "live p99: {base:.2} ms; {paced:.2} ms ({:.2}) with {rate:.0} events/s draining; \
             {free:.2} ms ({:.2}) with {free_rate:.0} unpaced",
            paced / base,
            free / base
        );
        ratios.push(paced / base);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio: {:.2}", ratios[ratios.len() / 2]);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (events, keys) = (argument("--events", 100_000), argument("--keys", 2_000));
    let sink = Sink::default();
    let address = {
        let sink = Arc::clone(&sink);
        listen(Arc::new(move |_, body| note(&sink, body))).await
    };
    let dir = tempfile::tempdir().expect("a directory");
    let engine = open(dir.path(), address).await;
    let draining = argument("--drain", 0);
    if draining > 0 {
        drain(&engine, (draining, keys), address).await;
        engine.stop().await;
        return;
    }
    fill(&engine, (events, keys)).await;
    let (read, seconds) = reader(&engine).await;
    println!("in process: {:.0} events/s ({read})", read as f64 / seconds);
    let seconds = webhooks(&engine, address).await;
    engine.stop().await;
    let seen = sink.lock();
    println!(
        "webhooks: {:.0} events/s ({}, {} keys, {} out of order)",
        seen.count as f64 / seconds,
        seen.count,
        seen.last.len(),
        seen.out_of_order,
    );
}
