//! A shop whose catalogue changes, a subscriber that does as it is told, and a fast clock.

use async_trait::async_trait;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Effect, Subscribing};
use evenkeel_engine::port::{Clock, Outlet, Post, Posted, SubscriptionRow};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::{Done, Engine, Options, Ports, Refusal, Request, Threads};
use evenkeel_rules::ids::{SkuId, SubscriptionId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::sku::Terms;
use evenkeel_rules::subscription::{Act, Ask, Filter};
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many times faster than real time passes: retries wait for seconds.
const FASTER: u32 = 50;

/// A clock that runs fast.
pub(crate) struct Fast(pub(crate) SystemClock);

#[async_trait]
impl Clock for Fast {
    fn now(&self) -> LogTime {
        let since = i64::try_from(self.mono().as_micros()).expect("a test is short");
        LogTime::from_micros(1_767_225_600_000_000 + since)
    }

    fn mono(&self) -> Duration {
        self.0.mono() * FASTER
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration / FASTER).await;
    }
}

/// One post, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) signature: String,
    pub(crate) timestamp: String,
    pub(crate) body: Vec<u8>,
    pub(crate) event: serde_json::Value,
    pub(crate) answer: u16,
}

impl Came {
    pub(crate) fn subject(&self) -> &str {
        self.event["subject"].as_str().expect("it has a subject")
    }

    pub(crate) fn version(&self) -> u64 {
        self.event["evenkeelversion"].as_u64().expect("a version")
    }
}

/// A subscriber: answers 200 unless a subject has something else to say.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) came: Mutex<Vec<Came>>,
    /// By subject, or `*`: what is answered next, the last answer for ever if `true`.
    answers: Mutex<BTreeMap<String, (Vec<u16>, bool)>>,
}

impl Sink {
    pub(crate) fn answer(&self, subject: &str, statuses: &[u16]) {
        let told = statuses.iter().rev().copied().collect();
        let told = (told, false);
        self.answers.lock().insert(subject.to_owned(), told);
    }

    pub(crate) fn always(&self, subject: &str, status: u16) {
        let told = (vec![status], true);
        self.answers.lock().insert(subject.to_owned(), told);
    }

    pub(crate) fn heal(&self) {
        self.answers.lock().clear();
    }

    fn says(&self, subject: &str) -> Option<u16> {
        let mut answers = self.answers.lock();
        let keys = [subject, "*"];
        let key = keys.into_iter().find(|key| answers.contains_key(*key))?;
        let (told, for_ever) = answers.get_mut(key)?;
        if *for_ever {
            return told.last().copied();
        }
        told.pop()
    }

    /// What was accepted.
    pub(crate) fn accepted(&self) -> Vec<Came> {
        let came = self.came.lock();
        let fine = came.iter().filter(|came| came.answer == 200);
        fine.cloned().collect()
    }

    /// The versions of a subject that were accepted, in the order in which they first came.
    pub(crate) fn first(&self, subject: &str) -> Vec<u64> {
        self.first_at("", subject)
    }

    /// The same, of what came to a subscriber whose URL ends so.
    pub(crate) fn first_at(&self, url: &str, subject: &str) -> Vec<u64> {
        let mut seen = Vec::new();
        for came in self.accepted() {
            let is_it = came.url.ends_with(url) && came.subject() == subject;
            if is_it && !seen.contains(&came.version()) {
                seen.push(came.version());
            }
        }
        seen
    }

    /// I9: first appearances are in order per key, without a gap from the first on.
    pub(crate) fn is_in_order(&self) {
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        for came in self.accepted() {
            let key = (came.url.clone(), came.subject().to_owned());
            let known = last.entry(key).or_insert(0);
            let version = came.version();
            let gap = *known > 0 && version > *known + 1;
            assert!(!gap, "{} jumped from {known} to {version}", came.subject());
            *known = (*known).max(version);
        }
    }

    pub(crate) fn doubles(&self) -> usize {
        let accepted = self.accepted();
        let mut ids: Vec<&str> = accepted.iter().map(|came| came.id.as_str()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        all - ids.len()
    }
}

#[async_trait]
impl Outlet for Sink {
    async fn post(&self, post: &Post, _timeout: Duration) -> Posted {
        let event: serde_json::Value = serde_json::from_slice(&post.body).expect("JSON");
        let subject = event["subject"].as_str().expect("it has a subject");
        let status = self.says(subject).unwrap_or(200);
        let came = Came {
            url: post.url.clone(),
            id: post.id.clone(),
            signature: post.signature.clone(),
            timestamp: post.timestamp.clone(),
            body: post.body.clone(),
            answer: status,
            event,
        };
        // Others get their turn between a post and its answer.
        tokio::task::yield_now().await;
        self.came.lock().push(came);
        match status {
            0 => Posted::Nothing,
            1 => Posted::NotSent {
                why: "nobody listens".to_owned(),
            },
            status => Posted::Answer {
                status,
                retry_after: None,
            },
        }
    }
}

/// An engine with a subscriber.
pub(crate) async fn open(store: &MemoryStore, name: &str, sink: &Arc<Sink>) -> Engine {
    open_with(store, name, Arc::clone(sink) as _).await
}

pub(crate) async fn open_with(store: &MemoryStore, name: &str, outlet: Arc<dyn Outlet>) -> Engine {
    let ports = Ports {
        outlet: Some(outlet),
        store: Arc::new(store.clone()),
        gate: None,
        gateway: None,
        clock: Arc::new(Fast(SystemClock::new())),
        ids: Arc::new(SystemIds),
    };
    let options = Options {
        node: Some(name.to_owned()),
        threads: Threads::Shared,
        ..Options::default()
    };
    Engine::start(ports, options).await.expect("it starts")
}

pub(crate) fn store() -> MemoryStore {
    MemoryStore::new("main", [9; 16])
}

pub(crate) fn request(command: Command) -> Request {
    Request {
        command,
        key: None,
        actor: TokenId::new("t-1").expect("an id"),
        owner: None,
        expected: None,
        deadline: None,
    }
}

pub(crate) fn id(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect("an id")
}

pub(crate) fn put(sku: &str, round: u64) -> Command {
    let price = Money::price(1999, Currency::new("EUR").expect("a code")).expect("a price");
    let terms = Terms {
        sku: SkuId::new(sku).expect("an id"),
        name: format!("round {round}"),
        price,
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

/// Puts each of some SKUs so many times.
pub(crate) async fn puts(engine: &Engine, skus: u64, rounds: std::ops::Range<u64>) {
    for round in rounds {
        for sku in 0..skus {
            let done = engine.execute(request(put(&format!("s-{sku}"), round)));
            done.await.expect("a put");
        }
    }
}

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn create(name: &str, types: &str, from: Option<u64>) -> Command {
    let ask = Box::new(Ask {
        id: id(name),
        url: Some(format!("http://sink.example/{name}")),
        types: vec![Filter::new(types).expect("a filter")],
        from,
    });
    let secret = SECRET.to_owned();
    Command::Subscription(Subscribing::Create { ask, secret })
}

pub(crate) async fn subscribe(engine: &Engine, name: &str, types: &str) -> Done {
    let made = engine.execute(request(create(name, types, None))).await;
    made.expect("a subscription")
}

pub(crate) async fn act(engine: &Engine, name: &str, act: Act, text: &str) -> SubscriptionRow {
    let done = try_act(engine, name, act, text)
        .await
        .expect("it is allowed");
    match done.effect {
        Effect::Subscription(row) => *row,
        other => panic!("not a subscription: {other:?}"),
    }
}

pub(crate) async fn try_act(
    engine: &Engine,
    name: &str,
    act: Act,
    text: &str,
) -> Result<Done, Refusal> {
    let change = Subscribing::Change {
        id: id(name),
        act,
        private: text.to_owned(),
        lease: None,
    };
    engine.execute(request(Command::Subscription(change))).await
}

pub(crate) async fn row(engine: &Engine, name: &str) -> SubscriptionRow {
    let row = engine.store().subscription(&id(name)).await;
    row.expect("readable").rows.expect("it exists")
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), asking).await;
    found.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Waits until a subscription has passed everything.
pub(crate) async fn drained(engine: &Engine, name: &str) {
    until("the outbox is empty", async || {
        let head = engine.head().await.expect("readable").position;
        row(engine, name).await.progress.checkpoint == head
    })
    .await;
}
