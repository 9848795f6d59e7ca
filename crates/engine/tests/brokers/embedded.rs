//! The embedded broker under test, and what is particular to it.

use super::fixture::*;
use super::shop;
use evenkeel_engine::Engine;
use evenkeel_engine::broker::{CONTENT_TYPE, Embedded};
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::cloud::MEDIA_TYPE;
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::consumer::PAGE_MAX;
use evenkeel_engine::port::{Broker, Group, Store, SubscriptionRow, Topic, UNACKED_MAX};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_rules::ids::{LocationId, SkuId, SubscriptionId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::Change;
use evenkeel_rules::subscription::Act;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Where the log is kept.
pub(crate) enum Disk {
    Memory(Mutex<MemoryStore>),
    Sqlite(TempDir),
}

impl Disk {
    pub(crate) fn memory() -> Self {
        Self::Memory(Mutex::new(MemoryStore::new("main", [3; 16])))
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The store as the next process finds it.
    fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => {
                let mut store = store.lock();
                *store = MemoryStore::from_tables(store.tables());
                Arc::new(store.clone())
            }
            Self::Sqlite(directory) => {
                let names = NamesOptions {
                    run_names: 64,
                    tier: 2,
                    background: false,
                };
                let store = SqliteStore::open(directory.path(), &SystemIds, names);
                Arc::new(store.expect("the directory can be opened"))
            }
        }
    }
}

/// An engine whose log is the topic; it and its broker are one process.
pub(crate) struct Node {
    disk: Disk,
    engine: Mutex<Option<Engine>>,
}

impl Node {
    pub(crate) async fn start(disk: Disk) -> Self {
        let node = Self {
            disk,
            engine: Mutex::default(),
        };
        node.restart().await;
        node
    }

    fn engine(&self) -> Engine {
        self.engine.lock().clone().expect("it runs")
    }

    async fn subscription(&self) -> SubscriptionRow {
        let id = SubscriptionId::new("stock:evenkeel.sku").expect("an id");
        let row = self.engine().store().subscription(&id).await;
        row.expect("readable").rows.expect("it was joined")
    }
}

impl Fixture for Node {
    const PATIENCE: Duration = Duration::from_secs(20);
    const MISSED: Duration = Duration::ZERO;
    const QUIET: Duration = Duration::from_millis(60);
    const MARKS: bool = true;

    async fn topic(&self, _word: &str) -> Topic {
        Topic::new("evenkeel.sku").expect("a name")
    }

    async fn client(&self) -> Arc<dyn Broker> {
        Arc::new(Embedded::new(self.engine()))
    }

    async fn kill(&self) {
        let engine = self.engine.lock().take();
        engine.expect("it runs").kill();
    }

    async fn restart(&self) {
        let clock = Arc::new(SystemClock::new());
        let engine = shop::open(self.disk.open(), clock, None).await;
        *self.engine.lock() = Some(engine);
    }

    async fn send(&self, _topic: &Topic, key: &str, round: u64) -> Sent {
        let engine = self.engine();
        let done = shop::put(&engine, key, &format!("round {round}")).await;
        Sent {
            id: format!("{}/0", engine.position(done.position)),
            key: key.to_owned(),
        }
    }
}

async fn receive(engine: &Engine, sku: &str) {
    let change = Command::ChangeStock {
        sku: SkuId::new(sku).expect("an id"),
        location: LocationId::main(),
        change: Change::Receive(Quantity::new(5).expect("units")),
        reference: None,
        reason: None,
    };
    shop::ask(engine, change).await;
}

#[tokio::test]
async fn a_message_is_the_event_and_a_topic_has_one_aggregates_events_only() {
    let node = Node::start(Disk::memory()).await;
    let topic = node.topic("").await;
    let mut reader = Reader::join(&node, &topic, "stock").await;
    let stock = Topic::new("evenkeel.stock").expect("a name");
    let mut units = Reader::join(&node, &stock, "stock").await;
    let sent = node.send(&topic, "lamp", 0).await;
    receive(&node.engine(), "lamp").await;
    let came = reader.some(10).await;
    assert_eq!(reader.rest().await, []);
    let [came] = &came[..] else {
        panic!("one event of the SKU: {came:?}");
    };
    let message = &came.message;
    assert_eq!((&message.id, &message.key), (&sent.id, &sent.key));
    assert_eq!(message.topic, topic);
    assert_eq!(
        message.headers,
        [(CONTENT_TYPE.to_owned(), MEDIA_TYPE.to_owned())]
    );
    let event: serde_json::Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], *sent.id);
    assert_eq!(event["type"], "sku.created");
    assert_eq!(event["subject"], "lamp");
    let came = units.some(10).await;
    assert_eq!(came.len(), 1);
    assert_eq!(
        (came[0].message.topic.as_str(), &*came[0].message.key),
        ("evenkeel.stock", "lamp")
    );
    node.engine().stop().await;
}

#[tokio::test]
async fn there_is_no_publisher_and_no_topic_of_what_is_nobody_elses() {
    let node = Node::start(Disk::memory()).await;
    let client = node.client().await;
    assert!(
        client.publisher().is_none(),
        "what is committed is published"
    );
    let group = Group::new("stock").expect("a name");
    for name in ["evenkeel.token", "evenkeel.subscription", "intake"] {
        let topic = Topic::new(name).expect("a name");
        assert!(client.join(&topic, &group).await.is_err(), "{name}");
    }
    node.engine().stop().await;
}

#[tokio::test]
async fn a_checkpoint_stands_before_what_is_open_and_passes_what_is_not_its_own() {
    let node = Node::start(Disk::memory()).await;
    let topic = node.topic("").await;
    let mut reader = Reader::join(&node, &topic, "stock").await;
    sends(&node, &topic, &["a", "b", "c"], 0..1).await;
    let came = reader.some(3).await;
    let before = node.subscription().await.progress.checkpoint;
    reader.acknowledge(&came[1..]).await;
    assert_eq!(node.subscription().await.progress.checkpoint, before);
    reader.acknowledge(&came[..1]).await;
    assert_eq!(node.subscription().await.progress.checkpoint, before + 3);
    receive(&node.engine(), "a").await;
    assert_eq!(reader.rest().await, []);
    let head = node.engine().head().await.expect("readable").position;
    assert_eq!(node.subscription().await.progress.checkpoint, head);
    assert_eq!(reader.rest().await, []);
    let idle = node.engine().head().await.expect("readable").position;
    assert_eq!(idle, head, "a reader that finds nothing writes no fact");
    reader.leave().await;
    node.engine().stop().await;
}

#[tokio::test]
async fn a_second_member_goes_on_where_the_first_one_is() {
    let node = Node::start(Disk::memory()).await;
    let topic = node.topic("").await;
    let mut one = Reader::join(&node, &topic, "stock").await;
    let mut two = Reader::join(&node, &topic, "stock").await;
    let wanted = sends(&node, &topic, &["a", "b"], 0..5).await;
    let both = two.some(4).await;
    one.all(&wanted).await;
    two.acknowledge(&both).await;
    assert_eq!(two.rest().await, [], "the group has all of it");
    one.crash();
    let wanted = sends(&node, &topic, &["a", "b"], 5..7).await;
    assert_eq!(two.all(&wanted).await, wanted);
    two.leave().await;
    node.engine().stop().await;
}

#[tokio::test]
async fn a_person_who_goes_back_with_a_group_has_all_of_it_told_again() {
    let node = Node::start(Disk::memory()).await;
    let topic = node.topic("").await;
    let mut reader = Reader::join(&node, &topic, "stock").await;
    let wanted = sends(&node, &topic, &["a", "b"], 0..3).await;
    reader.all(&wanted).await;
    let row = node.subscription().await;
    let replay = Subscribing::Change {
        id: row.body.id.clone(),
        act: Act::Replay {
            from: row.created + 1,
        },
        private: "lost some".to_owned(),
        lease: None,
    };
    shop::ask(&node.engine(), Command::Subscription(replay)).await;
    assert_eq!(reader.all(&wanted).await, wanted);
    reader.leave().await;
    node.engine().stop().await;
}

#[tokio::test]
async fn a_reader_that_acknowledges_nothing_is_given_a_bounded_number_of_messages() {
    let node = Node::start(Disk::memory()).await;
    let topic = node.topic("").await;
    let mut reader = Reader::join(&node, &topic, "stock").await;
    for round in 0..(UNACKED_MAX + PAGE_MAX) as u64 {
        node.send(&topic, "a", round).await;
    }
    let came = reader.rest().await;
    assert_eq!(came.len(), UNACKED_MAX, "all that fits, in whole pages");
    reader.acknowledge(&came[..1]).await;
    assert_eq!(reader.rest().await.len(), PAGE_MAX, "it goes on");
    reader.leave().await;
    node.engine().stop().await;
}
