use super::*;
use async_trait::async_trait;
use evenkeel_engine::port::Head;
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_rules::time::LogTime;

/// A clock that stands where it is set, and whose sleeps are over at once.
#[derive(Default)]
struct Stopped(Mutex<Duration>);

#[async_trait]
impl Clock for Stopped {
    fn now(&self) -> LogTime {
        LogTime::default()
    }

    fn mono(&self) -> Duration {
        *self.0.lock()
    }

    async fn sleep(&self, _duration: Duration) {}
}

async fn replica() -> Replica {
    let store = MemoryStore::new("main", [7; 16]);
    let head: Head = store.head().await.expect("a store in memory");
    let views = SqliteViews::in_memory(&head).expect("views in memory");
    Replica::new(Arc::new(store), Arc::new(views))
}

fn at(position: u64) -> At<u8> {
    At { position, rows: 1 }
}

#[tokio::test]
async fn what_is_behind_is_no_answer_and_no_failure() {
    let (replica, clock) = (replica().await, Stopped::default());
    let behind = replica.at(&clock, 5, async { Ok(at(4)) }).await;
    assert!(behind.is_none());
    let reached = replica.at(&clock, 5, async { Ok(at(5)) }).await;
    assert_eq!(reached.map(|it| it.position), Some(5));
}

#[tokio::test]
async fn one_that_fails_or_hangs_is_left_alone_for_a_while() {
    for hangs in [false, true] {
        let (replica, clock) = (replica().await, Stopped::default());
        let answer = replica
            .at(&clock, 0, async {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Err::<At<u8>, _>(Fault::Unavailable("gone".to_owned()))
            })
            .await;
        assert!(answer.is_none());
        *clock.0.lock() = REST - Duration::from_millis(1);
        let rested = replica.at(&clock, 0, async { Ok(at(9)) }).await;
        assert!(rested.is_none(), "it is not asked");
        *clock.0.lock() = REST;
        let again = replica.at(&clock, 0, async { Ok(at(9)) }).await;
        assert!(again.is_some());
    }
}

#[tokio::test]
async fn what_it_lacks_does_not_have_it_left_alone() {
    let (replica, clock) = (replica().await, Stopped::default());
    let lacks = async { Err::<u8, _>(Fault::Corrupt("log row 7 is gone".to_owned())) };
    assert!(replica.tried(&clock, lacks).await.is_none());
    assert_eq!(replica.tried(&clock, async { Ok(1) }).await, Some(1));
}
