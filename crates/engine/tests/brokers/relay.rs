//! The relay to a broker: a subscription whose posts are messages.

use super::fixture::{Fixture, Lost};
use super::remote::{Remote, Shape, now};
use super::shop;
use async_trait::async_trait;
use evenkeel_engine::Engine;
use evenkeel_engine::broker::{Topics, URL, ask};
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::port::{
    Clock, Message, Outlet, Post, Posted, Publisher, SubscriptionRow, Topic,
};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::verify::{Inputs, Outcome, verify};
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, State};
use evenkeel_rules::time::LogTime;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The paused clock of the runtime: time passes when nothing else is to be done.
struct Paused(Instant);

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> LogTime {
        let since = i64::try_from(self.mono().as_micros()).expect("a test is short");
        LogTime::from_micros(1_767_225_600_000_000 + since)
    }

    fn mono(&self) -> Duration {
        now() - self.0
    }

    #[expect(clippy::disallowed_methods, reason = "the paused clock of the tests")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A subscriber on the web that takes everything.
#[derive(Default)]
struct Web(Mutex<Vec<Post>>);

#[async_trait]
impl Outlet for Web {
    async fn post(&self, post: &Post, _timeout: Duration) -> Posted {
        self.0.lock().push(post.clone());
        Posted::Answer {
            status: 200,
            retry_after: None,
        }
    }
}

struct World {
    remote: Remote,
    web: Arc<Web>,
    store: MemoryStore,
    clock: Arc<Paused>,
    engine: Engine,
}

impl World {
    async fn open(shape: Shape) -> Self {
        let remote = Remote::start(shape);
        let (web, store) = (Arc::new(Web::default()), MemoryStore::new("main", [9; 16]));
        let clock = Arc::new(Paused(now()));
        let engine = engine(&remote, &web, &store, &clock).await;
        let world = Self {
            remote,
            web,
            store,
            clock,
            engine,
        };
        world.subscribe(ask()).await;
        world
    }

    async fn subscribe(&self, ask: Ask) {
        let (ask, secret) = (Box::new(ask), String::new());
        let create = Subscribing::Create { ask, secret };
        shop::ask(&self.engine, Command::Subscription(create)).await;
    }

    async fn row(&self) -> SubscriptionRow {
        let id = SubscriptionId::new("broker").expect("an id");
        let row = self.engine.store().subscription(&id).await;
        row.expect("readable").rows.expect("it exists")
    }

    async fn puts(&self, skus: u64, rounds: std::ops::Range<u64>) {
        for round in rounds {
            for sku in 0..skus {
                shop::put(&self.engine, &format!("s-{sku}"), &format!("round {round}")).await;
            }
        }
    }

    /// Waits until something is so; time passes meanwhile.
    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let until = self.clock.mono() + Duration::from_secs(3_600);
        while !is_so(self).await {
            assert!(self.clock.mono() < until, "never: {what}");
            self.clock.sleep(Duration::from_millis(10)).await;
        }
    }

    async fn drained(&self) {
        self.until("the outbox is empty", async |world| {
            let head = world.engine.head().await.expect("readable").position;
            world.row().await.progress.checkpoint == head
        })
        .await;
    }

    /// The same node, killed and started again.
    async fn reborn(self) -> Self {
        self.engine.kill();
        let engine = engine(&self.remote, &self.web, &self.store, &self.clock).await;
        Self { engine, ..self }
    }

    async fn close(self) {
        let report = verify(&self.store, Inputs::default())
            .await
            .expect("readable");
        let mut checks = report.checks.iter();
        assert!(
            !checks.any(|it| it.result == Outcome::Violated),
            "{report:?}"
        );
        self.engine.stop().await;
    }
}

async fn engine(
    remote: &Remote,
    web: &Arc<Web>,
    store: &MemoryStore,
    clock: &Arc<Paused>,
) -> Engine {
    let publisher: Arc<dyn Publisher> = Arc::new(remote.clone());
    let outlet = Topics::new(publisher, Some(Arc::clone(web) as Arc<dyn Outlet>));
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    shop::open(Arc::new(store.clone()), clock, Some(Arc::new(outlet))).await
}

fn topic() -> Topic {
    Topic::new("evenkeel.sku").expect("a name")
}

fn version(message: &Message) -> u64 {
    let event: serde_json::Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(event["id"], *message.id);
    assert_eq!(event["subject"], *message.key);
    event["evenkeelversion"].as_u64().expect("a version")
}

/// The versions of a key, in the order in which they first came.
fn firsts(remote: &Remote, key: &str) -> Vec<u64> {
    let mut seen = Vec::new();
    for message in remote.topic_of(&topic()) {
        let version = version(&message);
        if message.key == key && !seen.contains(&version) {
            seen.push(version);
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn all_events_go_to_their_topics_from_the_first_on_and_others_to_the_web() {
    let world = World::open(Shape::Log).await;
    world
        .subscribe(Ask {
            id: SubscriptionId::new("hook").expect("an id"),
            url: Some("https://example.com/hook".to_owned()),
            ..ask()
        })
        .await;
    world.puts(3, 0..4).await;
    world.drained().await;
    for sku in ["s-0", "s-1", "s-2"] {
        assert_eq!(firsts(&world.remote, sku), [1, 2, 3, 4]);
    }
    assert_eq!(
        world.remote.count(),
        12,
        "each once, and nothing of our own keeping"
    );
    world
        .until("the hook has all", async |world| {
            world.web.0.lock().len() == 12
        })
        .await;
    assert!(world.web.0.lock().iter().all(|post| post.url != URL));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_killed_brokers_and_relays_cost_doubles_and_nothing_else() {
    let mut world = World::open(Shape::Log).await;
    let ways = [Lost::Answer, Lost::Request, Lost::Late];
    for life in 0..9 {
        world.remote.lose(ways[life as usize % 3]);
        let seen = world.remote.count();
        world.puts(4, life * 5..life * 5 + 5).await;
        if life % 2 == 0 {
            world
                .until("something came", async |world| world.remote.count() > seen)
                .await;
            world.remote.kill().await;
            world = world.reborn().await;
            world.puts(4, 1_000 + life..1_001 + life).await;
            world
                .until("it is in trouble", async |world| {
                    world.row().await.progress.tries > 3
                })
                .await;
            world.remote.restart().await;
        }
    }
    world.drained().await;
    let row = world.row().await;
    assert_eq!(
        (row.body.parked, row.body.state),
        (Vec::new(), State::Active)
    );
    assert_eq!((row.progress.tries, row.progress.error), (0, None));
    for sku in 0..4 {
        let wanted: Vec<u64> = (1..=50).collect();
        assert_eq!(firsts(&world.remote, &format!("s-{sku}")), wanted);
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_parks_its_key_alone_until_a_person_has_seen_to_it() {
    let world = World::open(Shape::Queue).await;
    world.puts(2, 0..1).await;
    world.drained().await;
    world.remote.limit(600);
    shop::put(&world.engine, "s-0", &"x".repeat(1_000)).await;
    world.puts(2, 1..3).await;
    world.drained().await;
    assert_eq!(firsts(&world.remote, "s-0"), [1]);
    assert_eq!(firsts(&world.remote, "s-1"), [1, 2, 3]);
    let parked = world.row().await.body.parked;
    let [parked] = &parked[..] else {
        panic!("one key: {parked:?}");
    };
    assert_eq!(
        (&*parked.stream, &*parked.cause),
        ("sku:s-0", "it has more than 600 bytes")
    );
    world.remote.limit(1 << 20);
    let retry = Subscribing::Change {
        id: SubscriptionId::new("broker").expect("an id"),
        act: Act::Retry { parked: parked.id },
        private: "larger messages are taken".to_owned(),
        lease: None,
    };
    shop::ask(&world.engine, Command::Subscription(retry)).await;
    world
        .until("nothing is parked", async |world| {
            world.row().await.body.parked.is_empty()
        })
        .await;
    assert_eq!(firsts(&world.remote, "s-0"), [1, 2, 3, 4]);
    world.close().await;
}
