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

use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Key, Subscribing};
use evenkeel_engine::consumer::{PAGE_MAX, Reading};
use evenkeel_engine::gateway::http::{HttpGateway, HttpOptions};
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::port::Ids as _;
use evenkeel_engine::relay::sign::secret_of;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::{Engine, Options, Ports, Request};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, SubscriptionId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::subscription::{Act, Ask, Filter};
use evenkeel_rules::time::Millis;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

fn length_of(head: &str) -> usize {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

async fn serve(mut stream: TcpStream, sink: Sink) -> std::io::Result<()> {
    const YES: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(8_192);
    loop {
        let head = bytes.windows(4).position(|at| at == b"\r\n\r\n");
        let whole = head.and_then(|end| {
            let length = length_of(std::str::from_utf8(&bytes[..end]).ok()?);
            (bytes.len() >= end + 4 + length).then_some((end + 4, end + 4 + length))
        });
        let Some((begin, end)) = whole else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        note(&sink, &bytes[begin..end]);
        bytes.drain(..end);
        stream.write_all(YES).await?;
    }
}

async fn listen(sink: Sink) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&sink)));
        }
    });
    address
}

async fn open(dir: &Path, sink: SocketAddr) -> Engine {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    let options = HttpOptions {
        allow: Outbound::only(&[sink.to_string()]).expect("a place"),
        ..HttpOptions::default()
    };
    let outlet = HttpGateway::new(options).expect("nothing is configured");
    let ports = Ports {
        outlet: Some(Arc::new(outlet)),
        store: Arc::new(store.expect("the directory can be opened")),
        gate: None,
        gateway: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
    };
    let engine = Engine::start(ports, Options::default()).await;
    engine.expect("the store answers")
}

fn request(command: Command) -> Request {
    Request {
        command,
        key: None,
        actor: TokenId::new("t-bench").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    }
}

fn put(key: u64, round: u64) -> Command {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: SkuId::new(&format!("s-{key}")).expect("an id"),
        name: format!("round {round}"),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

/// Writes so many events, each key's one after the other.
async fn fill(engine: &Engine, (events, keys): (u64, u64)) {
    for round in 0..events / keys {
        let mut tasks = tokio::task::JoinSet::new();
        for key in 0..keys {
            let engine = engine.clone();
            tasks.spawn(async move { engine.execute(request(put(key, round))).await });
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
    let ask = Box::new(Ask {
        id: id("hook"),
        url: Some(format!("http://{}/hook", sink.0)),
        types: all(),
        from: Some(1),
    });
    let secret = secret_of(&[SystemIds.random(), SystemIds.random()].concat());
    let create = Command::Subscription(Subscribing::Create { ask, secret });
    let begin = Instant::now();
    engine.execute(request(create)).await.expect("it is made");
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

async fn ask(engine: &Engine, command: Command, (key, known): (String, Known)) {
    let key = (known == Known::Yes).then(|| Key::new(None, &key, &[key.as_bytes()]));
    let request = Request {
        key,
        ..request(command)
    };
    engine.execute(request).await.expect("accepted");
}

async fn hold(engine: Engine, (number, known): (u128, Known)) {
    let id = HoldId::new(&format!("h-{number:032x}")).expect("an id");
    let place = Place {
        id: id.clone(),
        customer: CustomerId::new(&format!("c-{}", number % 100_000)).expect("an id"),
        lines: vec![Wanted {
            sku: SkuId::new("s-0").expect("an id"),
            location: LocationId::main(),
            quantity: Quantity::ONE,
        }],
        ttl: Millis(900_000),
    };
    let key = |verb: &str| (format!("{verb}-{number}"), known);
    ask(&engine, Command::Place(place), key("place")).await;
    let confirm = Command::Confirm { id, lines: None };
    ask(&engine, confirm, key("confirm")).await;
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
    engine.execute(request(change)).await.expect("it is noted");
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
    let receive = Command::ChangeStock {
        sku: SkuId::new("s-0").expect("an id"),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(1 << 40).expect("units")),
        reference: None,
        reason: None,
    };
    engine.execute(request(receive)).await.expect("received");
    let end = engine.head().await.expect("readable").position;
    let create = Subscribing::Create {
        ask: Box::new(Ask {
            id: id("drain"),
            url: Some(format!("http://{sink}/hook")),
            types: all(),
            from: Some(1),
        }),
        secret: secret_of(&[SystemIds.random(), SystemIds.random()].concat()),
    };
    let create = Command::Subscription(create);
    engine.execute(request(create)).await.expect("it is made");
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

fn argument(name: &str, default: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let value = arguments.nth(1).and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (events, keys) = (argument("--events", 100_000), argument("--keys", 2_000));
    let sink = Sink::default();
    let address = listen(Arc::clone(&sink)).await;
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
