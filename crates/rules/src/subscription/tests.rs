use super::*;
use crate::ids::SubscriptionId;
use crate::tests::{at as moment, variants};

variants!(
    NotFound,
    Version,
    AlreadyExists,
    Position,
    Unsigned,
    NotParked
);

fn ask() -> Ask {
    Ask {
        id: SubscriptionId::new("s-1").expect("a well-formed id"),
        url: Some("https://example.com/hook".to_owned()),
        types: vec![Filter::new("order.*").expect("orders are published")],
        from: None,
    }
}

const fn at(position: u64) -> At {
    At {
        position,
        now: LogTime::from_micros(1_000_000),
    }
}

fn made() -> Decision {
    create(&ask(), false, at(10)).expect("a new id")
}

fn then(before: &Decision, act: &Act, place: At) -> Result<Option<Decision>, Rejection> {
    let asked = Asked {
        stands: Some((&before.subscription, &before.progress)),
        version: 1,
        expected: None,
    };
    decide(asked, act, place)
}

fn changed(before: &Decision, act: &Act, place: At) -> Decision {
    let after = then(before, act, place).expect("it is allowed");
    after.expect("it changes something")
}

fn park(stream: &str) -> Act {
    Act::Park {
        stream: stream.to_owned(),
        from: 12,
        index: 1,
        cause: "answered 422".to_owned(),
        tries: 1,
    }
}

#[test]
fn rejections_come_in_their_declared_order_and_every_one_comes() {
    let stands = made();
    let none = Asked {
        stands: None,
        version: 0,
        expected: Some(3),
    };
    let other = Asked {
        stands: Some((&stands.subscription, &stands.progress)),
        version: 1,
        expected: Some(3),
    };
    let far = Ask {
        from: Some(99),
        ..ask()
    };
    let inside = Ask { url: None, ..ask() };
    let inside = create(&inside, false, at(10)).expect("a new id");
    let seen: Vec<Rejection> = vec![
        decide(none, &Act::Replay { from: 99 }, at(11)).expect_err("nobody"),
        decide(other, &Act::Replay { from: 99 }, at(11)).expect_err("another version"),
        create(&far, true, at(11)).expect_err("taken"),
        create(&far, false, at(11)).expect_err("beyond the head"),
        then(&inside, &Act::Rotate, at(11)).expect_err("unsigned"),
        then(&stands, &Act::Drop { parked: 7 }, at(11)).expect_err("not parked"),
    ];
    let names: Vec<&str> = seen.iter().map(name).collect();
    assert_eq!(names, ALL);
    assert!(seen.iter().filter(|it| it.is_final()).count() == 1);
    let beyond = then(&stands, &Act::Replay { from: 12 }, at(11));
    assert_eq!(beyond, Err(Rejection::Position));
}

#[test]
fn a_subscription_begins_now_or_where_it_wishes() {
    assert_eq!(made().progress.checkpoint, 10);
    let from = Ask {
        from: Some(4),
        ..ask()
    };
    let early = create(&from, false, at(10)).expect("a new id");
    assert_eq!(
        (early.progress.checkpoint, early.subscription.set_to),
        (3, 3)
    );
    assert_eq!(early.subscription.secrets[0].made, 10);
}

#[test]
fn a_filter_matches_by_name_by_beginning_or_everything_that_is_published() {
    let filter = |text| Filter::new(text).expect("something matches");
    assert!(filter("order.paid").matches(Kind::OrderPaid));
    assert!(!filter("order.paid").matches(Kind::OrderShipped));
    assert!(filter("order.*").matches(Kind::OrderShipped));
    assert!(!filter("order.*").matches(Kind::PaymentFailed));
    assert!(filter("*").matches(Kind::Held));
    for bad in [
        "",
        "order",
        "order*",
        "token.*",
        "token.created",
        "**",
        "ORDER.*",
        "o*r.paid",
    ] {
        assert_eq!(Filter::new(bad), Err(BadFilter), "{bad}");
    }
    let all = Subscription {
        types: vec![filter("*")],
        ..made().subscription
    };
    assert!(all.wants(Kind::Held));
    assert!(!all.wants(Kind::TokenCreated), "keeping is nobody's");
}

#[test]
fn a_deleted_subscription_is_gone_and_deleting_it_again_changes_nothing() {
    let gone = changed(&made(), &Act::Delete, at(11));
    assert_eq!(gone.kind, Kind::SubscriptionDeleted);
    assert_eq!(then(&gone, &Act::Delete, at(12)), Ok(None));
    assert_eq!(then(&gone, &Act::Resume, at(12)), Err(Rejection::NotFound));
}

#[test]
fn pausing_and_resuming_twice_changes_nothing() {
    let paused = changed(&made(), &Act::Pause, at(11));
    assert!(!paused.subscription.is_relayed());
    assert_eq!(then(&paused, &Act::Pause, at(12)), Ok(None));
    let resumed = changed(&paused, &Act::Resume, at(12));
    assert!(resumed.subscription.is_relayed());
    assert_eq!(then(&resumed, &Act::Resume, at(13)), Ok(None));
}

#[test]
fn a_parked_stream_waits_is_retried_and_caught_up() {
    let parked = changed(&made(), &park("order:o-1"), at(11));
    assert_eq!(parked.subscription.parked[0].id, 11);
    assert_eq!(then(&parked, &park("order:o-1"), at(12)), Ok(None));
    let retried = changed(&parked, &Act::Retry { parked: 11 }, at(12));
    assert!(retried.subscription.parked[0].retrying);
    assert_eq!(
        retried.progress.waiting[0].done, 11,
        "just before the refused"
    );
    assert_eq!(then(&retried, &Act::Retry { parked: 11 }, at(13)), Ok(None));
    let again = changed(&retried, &park("order:o-1"), at(13));
    assert!(!again.subscription.parked[0].retrying);
    assert_eq!(again.subscription.parked[0].id, 11, "it keeps its name");
    let caught = changed(&retried, &Act::Unpark { parked: 11 }, at(13));
    assert_eq!(caught.kind, Kind::ParkedDelivered);
    assert!(caught.subscription.parked.is_empty() && caught.progress.waiting.is_empty());
}

#[test]
fn an_event_that_is_refused_again_was_tried_so_often_together() {
    let again = |tries| Act::Park {
        stream: "order:o-1".to_owned(),
        from: 12,
        index: 1,
        cause: "answered 422".to_owned(),
        tries,
    };
    let parked = changed(&made(), &again(1), at(13));
    let text = serde_json::to_string(&parked.subscription).expect("it is data");
    assert!(!text.contains("tries"), "{text}");
    let retried = changed(&parked, &Act::Retry { parked: 13 }, at(14));
    let refused = changed(&retried, &again(3), at(15));
    assert_eq!(refused.subscription.parked[0].tries, 4);
    let text = serde_json::to_string(&refused.subscription).expect("it is data");
    let read: Subscription = serde_json::from_str(&text).expect("it was written by us");
    assert_eq!(read, refused.subscription);
    let old = text.replace("\"tries\":4,", "");
    let read: Subscription = serde_json::from_str(&old).expect("as it was once written");
    assert_eq!(read.parked[0].tries, 1);
}

#[test]
fn a_refusal_behind_what_is_parked_parks_the_stream_from_there() {
    let parked = changed(&made(), &park("order:o-1"), at(13));
    let replayed = changed(&parked, &Act::Replay { from: 3 }, at(14));
    let earlier = Act::Park {
        stream: "order:o-1".to_owned(),
        from: 5,
        index: 0,
        cause: "answered 404".to_owned(),
        tries: 2,
    };
    let again = changed(&replayed, &earlier, at(15));
    let now = &again.subscription.parked[0];
    assert_eq!((now.id, now.from, now.index), (13, 5, 0));
    assert_eq!(now.tries, 2, "it is another event");
    assert_eq!(then(&again, &park("order:o-1"), at(16)), Ok(None));
    let retried = changed(&again, &Act::Retry { parked: 13 }, at(17));
    assert_eq!(retried.progress.waiting[0].done, 4);
}

#[test]
fn who_parks_too_much_is_paused() {
    let mut now = made();
    for number in 0..PARKED_MAX {
        now = changed(
            &now,
            &park(&format!("order:o-{number}")),
            at(11 + number as u64),
        );
    }
    let over = changed(&now, &park("order:more"), at(500));
    assert_eq!(over.kind, Kind::SubscriptionPaused);
    assert_eq!(over.subscription.parked.len(), PARKED_MAX);
    assert!(over.subscription.reason.is_some());
}

#[test]
fn a_replaced_secret_signs_for_a_day_beside_the_new_one() {
    let mut now = made();
    for position in 11..15 {
        now = changed(&now, &Act::Rotate, at(position));
    }
    let made: Vec<u64> = now.subscription.secrets.iter().map(|it| it.made).collect();
    assert_eq!(made, [14, 13, 12]);
    assert_eq!(now.subscription.secrets[0].until, None);
    assert!(now.subscription.secrets[1].until.is_some());
    let late = At {
        position: 20,
        now: moment(1_000).plus(OVERLAP).plus(Millis(1)),
    };
    let later = changed(&now, &Act::Rotate, late);
    assert_eq!(
        later.subscription.secrets.len(),
        2,
        "what ran out is forgotten"
    );
}

#[test]
fn a_checkpoint_neither_falls_nor_passes_the_head_and_only_its_reader_moves_it() {
    let stands = Progress::at(10);
    assert_eq!(stands.advance(10, &Progress::at(12), 12), Ok(()));
    assert_eq!(stands.advance(10, &Progress::at(13), 12), Err(Stale));
    assert_eq!(stands.advance(10, &Progress::at(9), 12), Err(Stale));
    assert_eq!(stands.advance(9, &Progress::at(12), 12), Err(Stale));
}

#[test]
fn an_answer_about_the_event_parks_it_and_one_about_the_place_never_does() {
    let status = |status, doubts| judge(Heard::Status(status), doubts);
    for ok in [200, 202, 204, 299] {
        assert_eq!(status(ok, 0), Judged::Delivered);
    }
    for place in [301, 408, 425, 429, 502, 503, 504] {
        assert_eq!(status(place, u32::MAX), Judged::Again, "{place}");
    }
    for heard in [Heard::Nothing, Heard::NotSent] {
        assert_eq!(judge(heard, u32::MAX), Judged::Again);
    }
    assert_eq!(judge(Heard::Taken, 0), Judged::Delivered);
    assert_eq!(judge(Heard::Refused, 0), Judged::Refused);
    for event in [400, 401, 403, 404, 413, 422] {
        assert_eq!(status(event, 0), Judged::Refused, "{event}");
    }
    for either in [409, 500, 599] {
        assert_eq!(status(either, DOUBTS_MAX - 1), Judged::Doubtful);
        assert_eq!(status(either, DOUBTS_MAX), Judged::Refused);
    }
    assert_eq!(status(410, 0), Judged::Gone);
}
