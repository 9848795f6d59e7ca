//! A small node for the rehearsal of a rolling upgrade: `node PLACE NAME AHEAD_MS`.
//!
//! It opens the SQLite store of a directory, or the PostgreSQL store at a URL, beside whoever else
//! has it open, joins the nodes alive under its name, and does what lines of words on its standard
//! input ask, one after the other.
//! Its first line is its head, once its lease stands there; each further one answers a line. What
//! went wrong is answered as `{"error": ...}`. It ends when its input does; one that cannot be
//! started says why and ends with 1.
//!
//! Its clock goes a constant time ahead, so that a test need not wait for a lease to end. It beats
//! so seldom that in a test it beats once: it may be alive and yet lose its lease.

use async_trait::async_trait;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::port::{Clock, Fault, Head, Store};
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_engine::{Engine, Options, Ports, Refusal, Request};
use evenkeel_rules::event::FORMAT;
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{BadId, CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often it beats: longer than any test.
const BEAT: Duration = Duration::from_secs(300);
/// How long it may take until its first beat.
const JOIN: Duration = Duration::from_secs(60);

/// The machine's clock, so much ahead.
struct Ahead {
    clock: SystemClock,
    by: Millis,
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> LogTime {
        self.clock.now().plus(self.by)
    }

    fn mono(&self) -> Duration {
        self.clock.mono()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

/// The store of a directory, or of a database.
async fn open(place: &str) -> Result<Arc<dyn Store>, Fault> {
    #[cfg(feature = "postgres")]
    if place.starts_with("postgres://") {
        use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
        let store = PostgresStore::open(&PostgresOptions::new(place), &SystemIds).await?;
        return Ok(Arc::new(store));
    }
    let store = SqliteStore::open(Path::new(place), &SystemIds, NamesOptions::default())?;
    Ok(Arc::new(store))
}

/// An engine on the store of a place, once its lease stands in the head.
async fn start(place: &str, name: &str, by: Millis) -> Result<Engine, Fault> {
    let clock = SystemClock::new();
    let ports = Ports {
        store: open(place).await?,
        gate: None,
        gateway: Some(Arc::new(InstantGateway::new())),
        outlet: None,
        clock: Arc::new(Ahead { clock, by }),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        node: Some(name.to_owned()),
        beat_every: BEAT,
        // A clock that goes ahead is off any other.
        compare_clocks: by.0 == 0,
        ..Options::default()
    };
    let engine = Engine::start(ports, options).await?;
    let joined = async {
        loop {
            let head = engine.head().await?;
            let now = engine.clock().now();
            let mut live = head.leases.live.iter();
            if live.any(|lease| lease.node == name && lease.until > now && lease.format == FORMAT) {
                return Ok(());
            }
            engine.clock().sleep(Duration::from_millis(5)).await;
        }
    };
    let joined = tokio::time::timeout(JOIN, joined).await;
    joined.unwrap_or_else(|_| Err(Fault::Unavailable("it never joined".to_owned())))?;
    Ok(engine)
}

/// What a line asks for, with the key that it names.
fn command(words: &[&str]) -> Result<(Command, Option<String>), String> {
    let bad = |error: BadId| error.to_string();
    let sku = |id: &str| SkuId::new(id).map_err(bad);
    let hold = |id: &str| HoldId::new(id).map_err(bad);
    let units = |units: &str| {
        let units = units.parse().map_err(|_| "not a number".to_owned())?;
        Quantity::new(units).map_err(|error| error.to_string())
    };
    Ok(match *words {
        ["put", id] => {
            let currency = Currency::new("EUR").expect("it is in the list");
            let terms = Terms {
                sku: sku(id)?,
                name: id.to_owned(),
                price: Money::price(1_999, currency).expect("it is a price"),
                max_per_order: None,
                max_per_customer: None,
                sale: None,
            };
            (Command::PutSku { terms }, None)
        }
        ["receive", key, id, count] => {
            let command = Command::ChangeStock {
                sku: sku(id)?,
                location: LocationId::main(),
                change: Change::Receive(units(count)?),
                reference: None,
                reason: None,
            };
            (command, Some(key.to_owned()))
        }
        ["hold", id, of, count] => {
            let line = Wanted {
                sku: sku(of)?,
                location: LocationId::main(),
                quantity: units(count)?,
            };
            let place = Place {
                id: hold(id)?,
                customer: CustomerId::new("c-1").map_err(bad)?,
                lines: vec![line],
                ttl: Millis(3_600_000),
            };
            (Command::Place(place), None)
        }
        ["confirm", id] => {
            let (id, lines) = (hold(id)?, None);
            (Command::Confirm { id, lines }, None)
        }
        _ => return Err(format!("nobody knows how to {words:?}")),
    })
}

async fn ask(engine: &Engine, words: &[&str]) -> Result<Value, String> {
    let (command, key) = command(words)?;
    let intent = format!("{command:?}");
    let request = Request {
        key: key.map(|key| Key::new(None, &key, &[intent.as_bytes()])),
        command,
        actor: TokenId::new("t-1").expect("it is an id"),
        owner: None,
        expected: None,
        deadline: None,
    };
    let done = engine.execute(request).await.map_err(refused)?;
    let left = format!("{:?}", done.effect);
    Ok(json!({"position": done.position, "replayed": done.replayed, "left": left}))
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Rejected { rejection, .. } => rejection.to_string(),
        Refusal::Failed(fault) => fault.to_string(),
    }
}

fn shown(head: &Head) -> Value {
    json!({"knows": FORMAT, "format": head.format, "position": head.position})
}

async fn answer(engine: &Engine, line: &str) -> Result<Value, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let told = |fault: Fault| fault.to_string();
    match *words {
        ["head"] => engine.head().await.map(|head| shown(&head)).map_err(told),
        ["raise"] => {
            let raised = engine.raise_format().await.map_err(refused)?;
            Ok(json!({"format": raised}))
        }
        ["verify"] => {
            let report = verify(&**engine.store(), Inputs::default()).await;
            let report = report.map_err(told)?;
            let findings: Vec<_> = report.findings().collect();
            let at = (report.position, &report.hash);
            Ok(json!({"ok": report.ok, "position": at.0, "hash": at.1, "findings": findings}))
        }
        _ => ask(engine, &words).await,
    }
}

fn say(answer: Result<Value, String>) {
    let answer = answer.unwrap_or_else(|error| json!({"error": error}));
    println!("{answer}");
}

pub(crate) fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [place, name, ahead] = &words[..] else {
        eprintln!("usage: node PLACE NAME AHEAD_MS");
        return ExitCode::from(2);
    };
    let by = Millis(ahead.parse().expect("a number of ms"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a thread is to be had");
    let engine = match runtime.block_on(start(place, name, by)) {
        Ok(engine) => engine,
        Err(fault) => {
            say(Err(fault.to_string()));
            return ExitCode::FAILURE;
        }
    };
    let mut asked = "head".to_owned();
    let mut lines = std::io::stdin().lines();
    loop {
        say(runtime.block_on(answer(&engine, &asked)));
        match lines.next() {
            Some(Ok(line)) => asked = line,
            Some(Err(_)) | None => break,
        }
    }
    runtime.block_on(engine.stop());
    ExitCode::SUCCESS
}
