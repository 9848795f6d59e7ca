//! What every broker promises its readers, one function per promise.

use super::fixture::*;
use evenkeel_engine::port::{HighWater, Received};

pub(crate) async fn everything_that_is_durable_comes<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let wanted = sends(&fixture, &topic, &["a", "b", "c"], 0..20).await;
    let mut came = reader.all(&wanted).await;
    came.extend(reader.rest().await.iter().map(sent));
    let mut known = firsts(&came);
    known.sort();
    let mut wanted = wanted;
    wanted.sort();
    assert_eq!(known, wanted, "all of it, and nothing else");
    reader.leave().await;
}

pub(crate) async fn messages_of_a_key_first_come_in_their_order<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let keys = ["a", "b", "c", "d", "e"];
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let (mut wanted, mut came, mut done) = (Vec::new(), Vec::new(), Vec::new());
    for life in 0..4 {
        wanted.extend(sends(&fixture, &topic, &keys, life * 8..life * 8 + 8).await);
        // Some of it is acknowledged, some is not, and the reader dies with it.
        for max in [3, 5, 1, 4] {
            let some = reader.some(max).await;
            came.extend(some.iter().map(sent));
            reader.acknowledge(&some[1..]).await;
            done.extend(some[1..].iter().map(sent));
        }
        reader.crash();
        reader = Reader::rejoin(&fixture, &topic, "stock").await;
    }
    let open = wanted.iter().filter(|one| !done.contains(one));
    let open: Vec<Sent> = open.cloned().collect();
    came.extend(reader.all(&open).await);
    for key in keys {
        assert_eq!(of_key(&firsts(&came), key), of_key(&wanted, key), "{key}");
    }
    reader.leave().await;
}

pub(crate) async fn what_was_not_acknowledged_comes_again_after_a_crash<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let wanted = sends(&fixture, &topic, &["a", "b"], 0..3).await;
    let first = reader.some(1).await;
    reader.acknowledge(&first).await;
    let open = reader.some(3).await;
    reader.crash();
    let mut reader = Reader::rejoin(&fixture, &topic, "stock").await;
    let open: Vec<Sent> = open.iter().map(sent).collect();
    let done = sent(&first[0]);
    let rest = wanted.into_iter().filter(|one| *one != done);
    let rest: Vec<Sent> = rest.collect();
    let came = reader.all(&rest).await;
    assert!(open.iter().all(|one| came.contains(one)));
    reader.leave().await;
}

pub(crate) async fn what_was_acknowledged_does_not_come_again_after_an_orderly_stop<F: Fixture>(
    fixture: F,
) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let before = sends(&fixture, &topic, &["a", "b"], 0..5).await;
    reader.all(&before).await;
    reader.leave().await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let again = reader.rest().await;
    assert_eq!(again, [], "all of it was acknowledged");
    let after = sends(&fixture, &topic, &["a", "b"], 5..7).await;
    let mut came = reader.all(&after).await;
    came.extend(reader.rest().await.iter().map(sent));
    assert!(!before.iter().any(|one| came.contains(one)));
    reader.leave().await;
}

pub(crate) async fn what_is_durable_outlives_a_kill_of_the_broker<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let mut wanted = sends(&fixture, &topic, &["a", "b"], 0..4).await;
    let done = reader.some(1).await;
    reader.acknowledge(&done).await;
    reader.crash();
    for life in 1..4 {
        fixture.kill().await;
        fixture.restart().await;
        wanted.extend(sends(&fixture, &topic, &["a", "b"], life * 4..life * 4 + 2).await);
    }
    fixture.kill().await;
    fixture.restart().await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    wanted.retain(|one| *one != sent(&done[0]));
    let came = firsts(&reader.all(&wanted).await);
    for key in ["a", "b"] {
        let mut came = of_key(&came, key);
        came.retain(|one| *one != sent(&done[0]));
        assert_eq!(came, of_key(&wanted, key), "{key}");
    }
    reader.leave().await;
}

pub(crate) async fn a_group_is_told_of_everything_since_it_was_joined<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    Reader::join(&fixture, &topic, "stock").await.leave().await;
    let wanted = sends(&fixture, &topic, &["a", "b"], 0..10).await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    reader.all(&wanted).await;
    reader.leave().await;
}

pub(crate) async fn two_groups_each_get_everything<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut one = Reader::join(&fixture, &topic, "stock").await;
    let mut other = Reader::join(&fixture, &topic, "search").await;
    let wanted = sends(&fixture, &topic, &["a", "b"], 0..10).await;
    one.all(&wanted).await;
    other.all(&wanted).await;
    one.leave().await;
    other.leave().await;
}

pub(crate) async fn a_slow_reader_holds_up_nobody_and_loses_nothing<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut slow = Reader::join(&fixture, &topic, "slow").await;
    let mut fast = Reader::join(&fixture, &topic, "fast").await;
    let mut wanted = sends(&fixture, &topic, &["a", "b"], 0..1).await;
    let held = slow.some(1).await;
    for burst in 1..6 {
        let some = sends(&fixture, &topic, &["a", "b"], burst * 20..burst * 20 + 20).await;
        fast.all(&some).await;
        wanted.extend(some);
    }
    slow.acknowledge(&held).await;
    wanted.retain(|one| *one != sent(&held[0]));
    slow.all(&wanted).await;
    slow.leave().await;
    fast.leave().await;
}

pub(crate) async fn a_poisoned_message_holds_up_no_other_key<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let poison = fixture.send(&topic, "poison", 0).await;
    let wanted = sends(&fixture, &topic, &["a", "b", "c"], 0..10).await;
    let is_poison = |it: &Received| sent(it) == poison;
    let (mut came, mut again) = (Vec::new(), 0);
    // It breaks its reader each time it comes, for as long as others have not all passed.
    while again < 3 || !wanted.iter().all(|one| came.contains(one)) {
        let (bad, good): (Vec<_>, Vec<_>) = reader.some(4).await.into_iter().partition(is_poison);
        reader.acknowledge(&good).await;
        reader.give_back(&bad).await;
        again += bad.len();
        came.extend(good.iter().map(sent));
        assert!(again < 1_000, "it comes, and nothing else does");
    }
    reader.crash();
    let mut reader = Reader::rejoin(&fixture, &topic, "stock").await;
    reader.all(std::slice::from_ref(&poison)).await;
    reader.leave().await;
}

pub(crate) async fn an_unacknowledged_message_holds_up_no_other_key<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let held = fixture.send(&topic, "held", 0).await;
    let first = reader.some(1).await;
    assert_eq!(sent(&first[0]), held);
    let wanted = sends(&fixture, &topic, &["a", "b"], 0..200).await;
    reader.all(&wanted).await;
    reader.acknowledge(&first).await;
    reader.leave().await;
}

pub(crate) async fn what_is_given_back_comes_again<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let wanted = fixture.send(&topic, "a", 0).await;
    for _ in 0..3 {
        let came = reader.some(1).await;
        assert_eq!(sent(&came[0]), wanted);
        reader.give_back(&came).await;
    }
    reader.all(&[wanted]).await;
    reader.leave().await;
}

pub(crate) async fn a_mark_is_passed_when_all_before_it_is_acknowledged<F: Fixture>(fixture: F) {
    let topic = fixture.topic("shop").await;
    let mut reader = Reader::join(&fixture, &topic, "stock").await;
    let wanted = sends(&fixture, &topic, &["a", "b"], 0..2).await;
    let mark = reader.receiver().high_water().await.expect("it serves");
    assert_eq!(mark.is_some(), F::MARKS, "it says what it can");
    let Some(mark) = mark else {
        return reader.leave().await;
    };
    let passed = async |reader: &mut Reader, mark: &HighWater| {
        let passed = reader.receiver().has_passed(mark).await;
        passed.expect("it serves")
    };
    let mut came = Vec::new();
    while !wanted.iter().all(|one| came.contains(one)) {
        let next = reader.some(1).await;
        assert!(
            !passed(&mut reader, &mark).await,
            "this one is not acknowledged"
        );
        reader.acknowledge(&next).await;
        came.push(sent(&next[0]));
    }
    fixture.send(&topic, "a", 2).await;
    assert_eq!(reader.rest().await.len(), 1);
    assert!(
        passed(&mut reader, &mark).await,
        "what came later does not count"
    );
    let next = reader.receiver().high_water().await.expect("it serves");
    let next = next.expect("it says so each time");
    assert!(
        !passed(&mut reader, &next).await,
        "the last one is not acknowledged"
    );
    reader.crash();
}
