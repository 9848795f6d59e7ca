use super::*;
use crate::clock::SystemClock;
use crate::store::memory::MemoryStore;
use crate::testing::{NOW, ask, change, commit, place_for, put, units};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::Millis;
use std::task::Poll;

/// A sweep over a store with one hold that is due, and what it asked for in its first moment.
async fn asked(mine: bool) -> usize {
    let store = MemoryStore::new("main", [3; 16]);
    let later = NOW.plus(Millis(90_000));
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
    let clock = Arc::new(SystemClock::new());
    let mine = Box::new(move || mine);
    let mut sweep = Sweep::new(Arc::new(store), clock, Arc::clone(&queue), mine);
    let mut round = sweep.run_once();
    let begun = std::future::poll_fn(|context| Poll::Ready(round.as_mut().poll(context)));
    drop(begun.await);
    queue.len()
}

#[tokio::test]
async fn what_is_due_is_ended_by_the_node_whose_it_is_and_by_no_other() {
    assert_eq!(asked(true).await, 1);
    assert_eq!(asked(false).await, 0);
}
