//! When a node folds: it gives way to requests, and leaves to another node what that one does.

use super::trading::ALL;
use super::views::{traded, views_of};
use async_trait::async_trait;
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::port::{Clock, LogRow, Projection, Store};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::postgres::PostgresOptions;
use evenkeel_engine::store::postgres::views::PostgresViews;
use evenkeel_engine::worker::Work as _;
use evenkeel_rules::time::LogTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that goes on by so many milliseconds whenever somebody looks.
struct Ticking {
    ms: AtomicU64,
    tick: u64,
}

impl Ticking {
    fn by(tick: u64) -> Arc<Self> {
        Arc::new(Self {
            ms: AtomicU64::new(0),
            tick,
        })
    }

    fn advance(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Ticking {
    fn now(&self) -> LogTime {
        LogTime::from_micros(1_800_000_000_000_000)
    }

    fn mono(&self) -> Duration {
        Duration::from_millis(self.ms.fetch_add(self.tick, Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock::new().sleep(duration).await;
    }
}

/// A log that grows as the test says, and nodes that fold it into one database.
struct Growing {
    store: MemoryStore,
    rows: Vec<LogRow>,
    options: PostgresOptions,
    clock: Arc<Ticking>,
}

/// One of the nodes.
struct Node {
    project: Project,
    projector: Arc<Projector>,
}

impl Growing {
    async fn new(clock: Arc<Ticking>) -> Self {
        let (whole, _) = traded().await;
        let rows = whole.log(1, ALL).await.expect("readable").rows;
        let store = MemoryStore::new("main", [5; 16]);
        let (url, _views) = views_of(&store).await;
        Self {
            store,
            rows,
            options: PostgresOptions::new(&url),
            clock,
        }
    }

    fn grow(&self, upto: usize) {
        let rows = self.rows[..upto].to_vec();
        self.store.edit(|tables| {
            tables.head.position = upto as u64;
            tables.log = rows;
        });
    }

    async fn node(&self) -> Node {
        let head = self.store.head().await.expect("readable");
        let views = PostgresViews::open(&self.options, &head).await;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let projector = Projector::new(Arc::new(views.expect("it is there")), clock);
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let project = Project::new(store, Arc::clone(&projector), Inline::Yes);
        Node { project, projector }
    }
}

impl Node {
    /// One round; where the rows are then, as far as the node knows.
    async fn round(&mut self) -> u64 {
        self.project.run_once().await.expect("no fault");
        self.projector.checkpoint(Projection::Orders)
    }

    /// One round while a reader waits for a position; whether it came to that.
    async fn waited_for(&mut self, position: u64) -> bool {
        let wait = Duration::from_secs(60);
        let (reached, _) = tokio::join!(
            self.projector.reach(Projection::Orders, position, wait),
            self.project.run_once(),
        );
        reached
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_grows_a_node_rests_between_pages_unless_a_reader_waits() {
    let log = Growing::new(Ticking::by(100)).await;
    log.grow(20);
    let mut node = log.node().await;
    assert_eq!(node.round().await, 20, "what stood there waits for nothing");
    log.grow(40);
    assert_eq!(node.round().await, 40);
    log.grow(60);
    assert_eq!(node.round().await, 40, "it rests");
    log.clock.advance(1_000);
    assert_eq!(node.round().await, 60);
    log.grow(80);
    assert!(node.waited_for(80).await, "nobody waits for its rest");
    log.clock.advance(1_000);
    // Who made the log grow has gone.
    node.round().await;
    log.grow(100);
    node.round().await;
    log.clock.advance(1_000);
    assert_eq!(node.round().await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_folds_is_left_to_it_until_it_stops_or_a_reader_waits() {
    let log = Growing::new(Ticking::by(0)).await;
    log.grow(20);
    let (mut one, mut two) = (log.node().await, log.node().await);
    assert_eq!((one.round().await, two.round().await), (20, 20));
    log.clock.advance(1_000);
    log.grow(40);
    assert_eq!(one.round().await, 40);
    assert_eq!(two.round().await, 20, "it was in the other's way");
    for upto in [60, 80, 100] {
        log.grow(upto);
        log.clock.advance(2_000);
        let before = upto as u64 - 20;
        assert_eq!(
            two.round().await,
            before,
            "it hears of it, and folds nothing"
        );
        assert_eq!(one.round().await, upto as u64);
    }
    log.grow(110);
    assert!(two.waited_for(110).await, "a reader waits for nobody else");
    log.grow(120);
    log.clock.advance(2_000);
    assert_eq!(one.round().await, 100, "now this one was in the way");
    log.clock.advance(2_000);
    assert_eq!(one.round().await, 110, "the other gets on");
    log.clock.advance(4_000);
    assert_eq!(one.round().await, 120, "the other has stopped");
}
