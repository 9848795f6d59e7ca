use super::*;
use crate::clock::{SystemClock, SystemIds};
use crate::gate::memory::MemoryGate;
use crate::port::{Rows, Touch};
use crate::store::memory::MemoryStore;
use crate::testing::{NOW, ask, at, change, commit, hold_id, keyed, place, put, sku, units};
use evenkeel_rules::stock::Change;
use tokio::sync::oneshot;

type Answers = mpsc::UnboundedReceiver<Delivery>;

fn committer(store: &MemoryStore) -> (Committer, Answers) {
    let (answers, told) = mpsc::unbounded_channel();
    let committer = Committer::new(Parts {
        store: Arc::new(store.clone()),
        gate: Arc::new(MemoryGate::new(0)),
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(SystemIds),
        queue: Arc::new(Queue::new(9)),
        unresolved: Arc::default(),
        tokens: Arc::default(),
        health: Arc::default(),
        answers,
        incarnation: 1,
        max_life: Millis(3_600_000),
        warn: Millis(0),
        allocation: Vec::new(),
        cache: true,
        compare_clocks: false,
    });
    (committer, told)
}

fn waiting(commit: Commit, deadline: Option<Duration>) -> Waiting {
    Waiting {
        commit,
        answer: oneshot::channel().0,
        deadline,
        widened: 0,
    }
}

/// A place with the touch that the command path gives it.
fn placing(id: &str, count: u64) -> Commit {
    let lines = [("lamp", count)];
    Commit {
        touch: Touch {
            holds: vec![hold_id(id)],
            rows: Rows {
                skus: vec![sku("lamp")],
                balances: vec![at("lamp")],
            },
            ..Touch::default()
        },
        ..keyed(id, place(id, &lines))
    }
}

async fn stocked() -> MemoryStore {
    let store = MemoryStore::new("main", [5; 16]);
    for command in [put("lamp"), change("lamp", Change::Receive(units(5)))] {
        commit(&store, NOW, &ask(command)).await;
    }
    store
}

#[test]
fn a_key_is_unresolved_until_its_batch_is_known() {
    let unresolved = Unresolved::default();
    assert!(!unresolved.contains(&[1; 16]));
    unresolved.set([[1; 16], [2; 16]].into());
    let seen: Vec<bool> = (1..=3).map(|key| unresolved.contains(&[key; 16])).collect();
    assert_eq!(seen, [true, true, false]);
    unresolved.set(BTreeSet::new());
    assert!(!unresolved.contains(&[1; 16]));
}

#[tokio::test]
async fn what_the_cache_holds_is_read_only_if_it_lies() {
    let store = stocked().await;
    let (mut committer, _told) = committer(&store);
    let mut part = vec![
        waiting(placing("h-1", 1), None),
        waiting(placing("h-2", 2), None),
    ];
    let cold = committer.touch(&part, NOW);
    assert_eq!((cold.keys.len(), cold.holds.len()), (2, 2));
    assert_eq!(cold.rows.skus, [sku("lamp")], "asked for once");
    assert_eq!(cold.rows.balances, [at("lamp")]);
    assert_eq!(
        (cold.cached, cold.exact_at, cold.front),
        (Rows::default(), None, None)
    );

    assert!(matches!(
        committer.attempt(&mut part).await,
        Attempt::Done(_)
    ));
    let warm = committer.touch(&part, NOW);
    assert_eq!(warm.rows, Rows::default());
    assert_eq!(warm.cached.skus, [sku("lamp")]);
    assert_eq!(warm.cached.balances, [at("lamp")]);
    assert_eq!(warm.exact_at, store.tables().head.stamp());
    assert!(warm.exact_at.is_some());
    assert_eq!(warm.front, None, "two are left");
    let short = committer.touch(&[waiting(placing("h-3", 3), None)], NOW);
    assert_eq!(short.front, Some(NOW), "the cache says that it is short");
}

#[tokio::test]
async fn a_widened_front_is_asked_for_as_of_now() {
    let (committer, _told) = committer(&stocked().await);
    let mut commit = placing("h-1", 1);
    commit.touch.front = Some(NOW);
    let later = NOW.plus(Millis(7));
    let touch = committer.touch(&[waiting(commit, None)], later);
    assert_eq!(touch.front, Some(later));
}

#[tokio::test]
async fn the_late_are_told_so_and_the_others_go_on() {
    let (committer, mut told) = committer(&stocked().await);
    let mono = committer.parts.clock.mono();
    let hour = mono + Duration::from_secs(3_600);
    let part = vec![
        waiting(placing("h-1", 1), None),
        waiting(placing("h-2", 1), Some(mono)),
        waiting(placing("h-3", 1), Some(hour)),
    ];
    let left = committer.drop_late(part);
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|waiting| waiting.deadline != Some(mono)));
    let answers = told.try_recv().expect("one was late").answers;
    assert_eq!(answers.len(), 1);
    assert!(matches!(answers[0].1, Err(Fault::DeadlinePassed)));
}

#[tokio::test]
async fn each_fault_has_its_way_on() {
    // Fault, whether it is told as it is, and whether it shows in readiness.
    let text = || "why".to_owned();
    let table = [
        (Fault::Conflict, "again", false),
        (Fault::Corrupt(text()), "split", false),
        (Fault::Unavailable(text()), "told", true),
        (Fault::DiskFull, "told", true),
        (Fault::TimedOut, "told", true),
        (Fault::Fenced, "told", false),
        (Fault::DeadlinePassed, "told", false),
        (Fault::Sync(text()), "unknown", false),
    ];
    for (fault, expected, down) in table {
        let (mut committer, _told) = committer(&stocked().await);
        let way = match committer.failed(fault.clone()) {
            Attempt::Again => "again",
            Attempt::Split(_) => "split",
            Attempt::Failed(same) if same == fault => "told",
            Attempt::Failed(Fault::TimedOut) => "unknown",
            Attempt::Failed(_) | Attempt::Done(_) => "wrong",
        };
        assert_eq!(way, expected, "{fault:?}");
        let health = &committer.parts.health;
        assert_eq!(health.store_down.load(Ordering::Acquire), down, "{fault:?}");
        let broken = health.broken.load(Ordering::Acquire);
        assert_eq!(broken, matches!(fault, Fault::Sync(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_rows_never_come_is_given_up() {
    let (committer, mut told) = committer(&stocked().await);
    let mut left = waiting(placing("h-1", 1), None);
    for round in 0..=WIDEN_MAX {
        let touch = Touch {
            keys: vec![[u8::try_from(round).expect("small"); 16]],
            ..Touch::default()
        };
        let decided = Decided {
            verdicts: vec![Verdict::Widen(Box::new(touch))],
            news: News::default(),
            writes: None,
        };
        committer.tell(vec![left], decided);
        let delivery = told.try_recv().expect("something is handed on each time");
        let answers = delivery.answers;
        if round == WIDEN_MAX {
            assert!(matches!(answers[0].1, Err(Fault::Unavailable(_))));
            assert!(committer.parts.queue.is_empty());
            return;
        }
        assert!(answers.is_empty(), "round {round}");
        let mut batch = committer.parts.queue.take().await.expect("it waits again");
        left = batch.pop().expect("it waits again");
        assert_eq!(left.widened, round + 1);
        assert_eq!(left.commit.touch.keys.len(), left.widened as usize);
    }
    panic!("it was never given up");
}

#[tokio::test]
async fn a_committer_that_panics_leaves_nobody_waiting() {
    struct Panics;
    impl Clock for Panics {
        fn now(&self) -> LogTime {
            panic!("planted")
        }
        fn mono(&self) -> Duration {
            Duration::ZERO
        }
        fn sleep<'a, 'b>(
            &'a self,
            _: Duration,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'b>>
        where
            'a: 'b,
        {
            Box::pin(std::future::ready(()))
        }
    }
    let (mut committer, _told) = committer(&stocked().await);
    committer.parts.clock = Arc::new(Panics);
    let (queue, health) = (
        Arc::clone(&committer.parts.queue),
        Arc::clone(&committer.parts.health),
    );
    let (answer, told) = oneshot::channel();
    let first = Waiting {
        answer,
        ..waiting(placing("h-1", 1), None)
    };
    queue.push(first).expect("there is room");
    let (answer, later) = oneshot::channel();
    let workers = crate::worker::Workers::new(Arc::new(SystemClock::new()), Arc::new(SystemIds));
    workers.task(committer.run());
    workers.ended().await;
    assert!(told.await.is_err(), "its outcome is not known");
    assert!(health.stopped.load(Ordering::Acquire));
    let second = Waiting {
        answer,
        ..waiting(placing("h-2", 1), None)
    };
    assert!(queue.push(second).is_err(), "nothing more is taken");
    assert!(later.await.is_err());
}

#[test]
fn a_touch_takes_in_another_one() {
    let mut touch = Touch {
        keys: vec![[1; 16]],
        front: Some(NOW),
        ..Touch::default()
    };
    touch.widen(Touch {
        keys: vec![[2; 16]],
        holds: vec![hold_id("h-1")],
        rows: Rows {
            skus: vec![sku("lamp")],
            balances: vec![at("lamp")],
        },
        front: Some(NOW.plus(Millis(1))),
        ..Touch::default()
    });
    assert_eq!(touch.keys, [[1; 16], [2; 16]]);
    assert_eq!(
        (
            touch.holds.len(),
            touch.rows.skus.len(),
            touch.rows.balances.len()
        ),
        (1, 1, 1)
    );
    assert_eq!(touch.front, Some(NOW.plus(Millis(1))));
    touch.widen(Touch::default());
    assert_eq!(
        touch.front,
        Some(NOW.plus(Millis(1))),
        "it never asks for less"
    );
}

#[tokio::test]
async fn a_store_that_was_restored_under_the_node_is_not_written_to() {
    let store = stocked().await;
    let (mut committer, _told) = committer(&store);
    let place = |id: &str| vec![waiting(placing(id, 1), None)];
    let first = committer.attempt(&mut place("h-1")).await;
    assert!(matches!(first, Attempt::Done(_)));
    let backup = store.tables().clone();
    let second = committer.attempt(&mut place("h-2")).await;
    assert!(matches!(second, Attempt::Done(_)));
    assert_eq!(committer.parts.health.broken(), None);

    // The server came back with the backup, and nobody said so.
    let restored = MemoryStore::from_tables(backup);
    committer.parts.store = Arc::new(restored.clone());
    let refused = committer.attempt(&mut place("h-3")).await;
    assert!(matches!(refused, Attempt::Failed(Fault::Unavailable(_))));
    assert_eq!(committer.parts.health.broken(), Some(Broken::Log));

    // Said, and sold from by others until it is longer than what this node knew.
    let (mut late, _told) = self::committer(&restored);
    late.seen = committer.seen;
    commit(&restored, NOW, &ask(crate::commit::Command::Restored)).await;
    for number in 4..9 {
        commit(&restored, NOW, &placing(&format!("h-{number}"), 1)).await;
    }
    let position = restored.tables().head.position;
    assert!(position > late.seen);
    let refused = late.attempt(&mut place("h-3")).await;
    assert!(matches!(refused, Attempt::Failed(Fault::Unavailable(_))));
    assert_eq!(late.parts.health.broken(), Some(Broken::Log));
    assert_eq!(restored.tables().head.position, position);
}

mod latecomers;
