//! Names that are taken for new, on a store that takes every name for new.

use super::*;
use crate::commit::{Command, Commit, Effect, Outcome, Rejection, hold_name, hold_of};
use crate::queue::Told;
use crate::testing::{release, take};
use evenkeel_rules::hold::Rejection as No;
use evenkeel_rules::order;

/// A committer on a store that others have written to, who sell what they sold.
async fn rash(sold: &[Commit]) -> (MemoryStore, Committer, Answers) {
    let store = stocked().await;
    for sold in sold {
        commit(&store, NOW, sold).await;
    }
    let (committer, told) = committer(&store.clone().rash());
    (store, committer, told)
}

/// Works off what waits and nothing more; what each was told, in the order of the answers.
async fn worked_off(mut committer: Committer, told: &mut Answers) -> (Committer, Vec<Told>) {
    while !committer.parts.queue.is_empty() {
        let batch = committer.parts.queue.take().await.expect("not closed");
        committer.batch(batch).await;
    }
    let mut all = Vec::new();
    while let Ok(delivery) = told.try_recv() {
        all.extend(delivery.answers.into_iter().map(|(_, told)| told));
    }
    (committer, all)
}

fn push(committer: &Committer, commit: Commit) {
    let queued = committer.parts.queue.push(waiting(commit, None));
    queued.expect("there is room");
}

/// What those were told who were refused.
fn refusals(told: &[Told]) -> Vec<&Rejection> {
    let refused = told.iter().filter_map(|told| match told {
        Ok(Outcome::Refused { rejection, .. }) => Some(rejection),
        _ => None,
    });
    refused.collect()
}

fn batches(store: &MemoryStore) -> usize {
    store.tables().head.batches.len()
}

#[tokio::test]
async fn a_key_that_seemed_new_and_was_used_is_answered_as_before() {
    let (store, committer, mut told) = rash(&[placing("h-1", 1)]).await;
    let before = store.tables().head.position;
    push(&committer, placing("h-1", 1));
    let (committer, told) = worked_off(committer, &mut told).await;
    assert!(
        matches!(told[..], [Ok(Outcome::Replay { position })] if position == before),
        "{told:?}"
    );
    assert_eq!(store.tables().head.position, before);
    assert!(
        !committer.believes(),
        "for a while everything is looked for"
    );
}

#[tokio::test]
async fn an_id_that_seemed_new_and_is_taken_is_refused_for_what_it_is() {
    let (store, committer, mut told) = rash(&[placing("h-1", 1)]).await;
    let other = Commit {
        key: keyed("another", release("h-1")).key,
        ..placing("h-1", 1)
    };
    push(&committer, other);
    push(&committer, placing("h-2", 1));
    let (_, told) = worked_off(committer, &mut told).await;
    assert_eq!(
        refusals(&told),
        [&Rejection::Hold(No::AlreadyExists)],
        "{told:?}"
    );
    assert_eq!(
        store.tables().holds.len(),
        2,
        "the others are not kept back"
    );
}

#[tokio::test]
async fn a_no_is_not_told_to_whom_nobody_looked_for() {
    // Five are there. This node sells the last three and knows that; then the retry comes of who
    // had two of another node.
    let (store, committer, mut told) = rash(&[placing("h-1", 2)]).await;
    let before = store.tables().head.position;
    push(&committer, placing("h-0", 3));
    let (committer, sold) = worked_off(committer, &mut told).await;
    assert!(
        matches!(sold[..], [Ok(Outcome::Accepted { .. })]),
        "{sold:?}"
    );
    push(&committer, placing("h-1", 2));
    push(&committer, placing("h-2", 1));
    let (committer, told) = worked_off(committer, &mut told).await;
    let replayed =
        |told: &&Told| matches!(told, Ok(Outcome::Replay { position }) if *position == before);
    assert_eq!(told.iter().filter(replayed).count(), 1, "{told:?}");
    assert_eq!(refusals(&told).len(), 1, "{told:?}");
    assert!(committer.believes(), "nothing was believed that was wrong");
}

#[tokio::test]
async fn nobody_else_believes_what_a_refused_one_believed() {
    let (store, committer, mut told) = rash(&[placing("h-1", 4)]).await;
    push(&committer, placing("h-0", 1));
    let (mut committer, _) = worked_off(committer, &mut told).await;
    // It is refused, none being left, and whoever gives the hold back does not ask for it.
    let mut gives_back = keyed("back", release("h-1"));
    gives_back.touch.rows = placing("h-1", 1).touch.rows;
    let part = [placing("h-1", 4), gives_back].map(|it| waiting(it, None));
    let mut part = Vec::from(part);
    committer.believe(&mut part, 0);
    assert!(part[0].commit.touch.unseen && !part[1].commit.touch.unseen);
    let Attempt::Done(decided) = committer.attempt(&mut part).await else {
        panic!("nothing was in the way");
    };
    let widened = |verdict: &Verdict| matches!(verdict, Verdict::Widen(_));
    assert!(
        decided.verdicts.iter().all(widened),
        "{:?}",
        decided.verdicts
    );
    committer.tell(part, *decided);
    let (_, told) = worked_off(committer, &mut told).await;
    let given = |told: &&Told| match told {
        Ok(Outcome::Accepted { effect, .. }) => matches!(effect, Effect::Hold(_)),
        _ => false,
    };
    assert_eq!(told.iter().filter(given).count(), 1, "{told:?}");
    assert_eq!(store.tables().balances[&at("lamp")].available(), 4);
}

#[tokio::test]
async fn holds_that_came_while_the_lock_was_waited_for_join_the_batch() {
    let (store, mut committer, _told) = rash(&[]).await;
    let before = batches(&store);
    let later = committer.parts.clock.mono() + Duration::from_secs(3_600);
    for commit in [placing("h-2", 1), placing("h-3", 1)] {
        let queued = committer.parts.queue.push(waiting(commit, Some(later)));
        queued.expect("there is room");
    }
    let mut part = vec![waiting(placing("h-1", 1), None)];
    committer.believe(&mut part, 0);
    let done = committer.attempt(&mut part).await;
    let Attempt::Done(decided) = done else {
        panic!("nothing was in the way");
    };
    assert_eq!((part.len(), decided.verdicts.len()), (3, 3));
    let accepted = |it: &Verdict| matches!(it, Verdict::Told(Outcome::Accepted { .. }));
    assert!(
        decided.verdicts.iter().all(accepted),
        "{:?}",
        decided.verdicts
    );
    assert_eq!(batches(&store), before + 1);
    let known = ["h-1", "h-2", "h-3"].map(|id| store.may_know(&hold_name(&hold_id(id))));
    assert_eq!(known, [true; 3]);
}

#[tokio::test]
async fn who_needs_a_look_or_comes_too_late_does_not_join() {
    let other = |id: &str| {
        let mut commit = placing(id, 1);
        commit.touch.rows.skus = vec![sku("chair")];
        commit
    };
    let table: [(&str, Commit, Option<Duration>); 3] = [
        ("another SKU", other("h-2"), None),
        (
            "its deadline is over",
            placing("h-2", 1),
            Some(Duration::ZERO),
        ),
        (
            "it has no key",
            Commit {
                key: None,
                ..placing("h-2", 1)
            },
            None,
        ),
    ];
    for (why, late, deadline) in table {
        let (_, mut committer, _told) = rash(&[]).await;
        let queue = Arc::clone(&committer.parts.queue);
        queue.push(waiting(late, deadline)).expect("there is room");
        queue
            .push(waiting(placing("h-3", 1), None))
            .expect("there is room");
        let mut part = vec![waiting(placing("h-1", 1), None)];
        committer.believe(&mut part, 0);
        let done = committer.attempt(&mut part).await;
        assert!(matches!(done, Attempt::Done(_)), "{why}");
        assert_eq!(
            (part.len(), queue.len()),
            (1, 2),
            "{why}: nobody overtakes it"
        );
    }
}

#[tokio::test]
async fn nobody_joins_where_nothing_is_believed() {
    let (_, mut committer, _told) = rash(&[]).await;
    let queue = Arc::clone(&committer.parts.queue);
    queue
        .push(waiting(placing("h-2", 1), None))
        .expect("there is room");
    let mut part = vec![waiting(placing("h-1", 1), None)];
    // A second attempt.
    committer.believe(&mut part, 1);
    let done = committer.attempt(&mut part).await;
    assert!(matches!(done, Attempt::Done(_)));
    assert_eq!((part.len(), queue.len()), (1, 1));
    // One that was judged before.
    let mut again = waiting(placing("h-3", 1), None);
    again.widened = 1;
    let mut part = vec![again];
    committer.believe(&mut part, 0);
    assert!(!part[0].commit.touch.unseen);
}

/// An order with the touch that the command path gives it.
fn ordering(id: &str, count: u64) -> Commit {
    let commit = keyed(id, take(id, &[("lamp", count)]));
    let Command::TakeOrder { ask, .. } = &commit.command else {
        panic!("an order");
    };
    let touch = Touch {
        orders: vec![ask.id.clone()],
        holds: vec![hold_of(&ask.id)],
        rows: placing("h-1", 1).touch.rows,
        ..Touch::default()
    };
    Commit { touch, ..commit }
}

#[tokio::test]
async fn orders_join_and_are_answered_as_holds_are() {
    let (store, mut committer, mut told) = rash(&[ordering("o-1", 2)]).await;
    let before = store.tables().head.position;
    push(&committer, ordering("o-2", 2));
    let mut part = vec![waiting(placing("h-1", 1), None)];
    committer.believe(&mut part, 0);
    let done = committer.attempt(&mut part).await;
    assert!(matches!(done, Attempt::Done(_)));
    assert_eq!((part.len(), store.tables().orders.len()), (2, 2));
    // None is left, and this node knows that.
    let another = Commit {
        key: keyed("another", release("h-1")).key,
        ..ordering("o-1", 2)
    };
    for retried in [ordering("o-1", 2), ordering("o-2", 2), another] {
        push(&committer, retried);
    }
    let (committer, told) = worked_off(committer, &mut told).await;
    let replayed = |told: &&Told| matches!(told, Ok(Outcome::Replay { .. }));
    assert_eq!(told.iter().filter(replayed).count(), 2, "{told:?}");
    let taken = Rejection::Order(order::Rejection::AlreadyExists);
    assert_eq!(refusals(&told), [&taken], "{told:?}");
    assert_eq!(store.tables().head.position, before + 2);
    assert!(committer.believes());
}
