//! How fast what is in the log reaches subscribers: webhooks to a sink over HTTP, and a reader in
//! process.
//!
//! `cargo bench -p evenkeel-engine --bench relay -- --events 100000 --keys 2000`. The sink is a
//! task of this process and checks that each key's versions come in order. The log is written
//! first; what is timed is the way from the first post to the checkpoint at the head.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the real clock on real tasks"
)]

mod common;
#[path = "common/listener.rs"]
mod listener;

use common::{argument, ask, ports, put, request, sku, start, store};
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::consumer::{PAGE_MAX, Reading};
use evenkeel_engine::gateway::http::{HttpGateway, HttpOptions};
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::port::Ids as _;
use evenkeel_engine::relay::sign::secret_of;
use evenkeel_engine::{Engine, Ports};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Ask, Filter};
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
            tasks.spawn(async move { engine.execute(request(put, "")).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("it runs").expect("a put");
        }
    }
}

fn id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("an id")
}

fn all() -> Vec<Filter> {
    vec![Filter::new("sku.*").expect("a filter")]
}

async fn webhooks(engine: &Engine, sink: (SocketAddr, &Sink)) -> f64 {
    let hook = Box::new(Ask {
        id: id("hook"),
        url: Some(format!("http://{}/hook", sink.0)),
        types: all(),
        from: Some(1),
    });
    let secret = secret_of(&[SystemIds.random(), SystemIds.random()].concat());
    let create = Command::Subscription(Subscribing::Create { ask: hook, secret });
    let begin = Instant::now();
    ask(engine, create, "").await;
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
    fill(&engine, (events, keys)).await;
    let (read, seconds) = reader(&engine).await;
    println!("in process: {:.0} events/s ({read})", read as f64 / seconds);
    let seconds = webhooks(&engine, (address, &sink)).await;
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
