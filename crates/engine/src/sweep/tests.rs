use super::*;
use crate::store::memory::MemoryStore;
use crate::testing::{NOW, ask, change, commit, place_for, put, units};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::LogTime;
use std::task::Poll;

/// A clock that stands still.
struct Still(LogTime);

#[async_trait]
impl Clock for Still {
    fn now(&self) -> LogTime {
        self.0
    }

    fn mono(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// A sweep over a store with one hold that is due for so long, and what it asked for in its first
/// moment.
async fn asked(mine: bool, overdue: Millis) -> usize {
    let store = MemoryStore::new("main", [3; 16]);
    let later = NOW.plus(Millis(1_000)).plus(overdue);
    for (at, command) in [
        (NOW, put("lamp")),
        (NOW, change("lamp", Change::Receive(units(9)))),
        (NOW, place_for("h-1", &[("lamp", 1)], 1_000)),
        (later, put("chair")),
    ] {
        let (told, writes) = commit(&store, at, &ask(command)).await;
        assert!(writes.is_some(), "{told:?}");
    }
    let queue = Arc::new(Queue::new(8));
    let clock = Arc::new(Still(later));
    let mine = Box::new(move || mine);
    let mut sweep = Sweep::new(Arc::new(store), clock, Arc::clone(&queue), mine);
    let mut round = sweep.run_once();
    let begun = std::future::poll_fn(|context| Poll::Ready(round.as_mut().poll(context)));
    drop(begun.await);
    queue.len()
}

#[tokio::test]
async fn what_is_due_is_ended_by_the_node_whose_it_is_and_after_a_while_by_any() {
    assert_eq!(asked(true, Millis(0)).await, 1);
    assert_eq!(asked(false, Millis(0)).await, 0);
    assert_eq!(asked(false, Millis(LATE.0 - 1)).await, 0);
    assert_eq!(asked(false, LATE).await, 1);
}
