//! The queue of callbacks, with time as an argument.

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn letter(order: &str, kind: &'static str, moment: u64) -> Letter {
    Letter {
        service: Service::Delivery,
        to: Address::new("http://127.0.0.1:1/x").expect("a good address"),
        order: Arc::from(order),
        subject: Arc::from(format!("dl-{order}")),
        kind,
        body: Bytes::from(format!("{order} {kind}")),
        moment: seconds(moment),
        tries: 0,
    }
}

fn kinds(mail: &mut Mail, now: Duration, knobs: &Knobs) -> Vec<&'static str> {
    std::iter::from_fn(|| mail.take(now, knobs))
        .map(|letter| letter.kind)
        .collect()
}

#[test]
fn a_callback_is_taken_when_it_is_due_and_not_before() {
    let (mut mail, knobs) = (Mail::default(), Knobs::default());
    mail.post(letter("o-1", "second", 2), seconds(2), &knobs);
    mail.post(letter("o-1", "first", 1), seconds(1), &knobs);
    assert_eq!(mail.next_due(), Some(seconds(1)));
    let early = seconds(1).saturating_sub(Duration::from_nanos(1));
    assert!(mail.take(early, &knobs).is_none());
    assert_eq!(kinds(&mut mail, seconds(2), &knobs), ["first", "second"]);
    assert_eq!(mail.next_due(), None);
}

#[test]
fn what_nobody_takes_is_sent_again_ever_later_for_two_minutes() {
    let (mut mail, knobs) = (Mail::default(), Knobs::default());
    mail.post(letter("o-1", "told", 0), seconds(0), &knobs);
    let mut times = Vec::new();
    while let Some(due) = mail.next_due() {
        times.push(due.as_secs());
        let tried = mail.take(due, &knobs).expect("it is due");
        mail.again(tried, due);
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 127]);
}

#[test]
fn a_duplicate_is_the_same_event_and_another_moment_is_another() {
    let mut mail = Mail::default();
    let knobs = Knobs {
        duplicate_rate: 1.0,
        ..Knobs::default()
    };
    mail.post(letter("o-1", "told", 0), seconds(0), &knobs);
    let one = mail.take(seconds(0), &knobs).expect("the first copy");
    let two = mail.take(seconds(0), &knobs).expect("the second copy");
    assert_eq!(one.event_id(), two.event_id());
    assert!(mail.take(seconds(9), &knobs).is_none());
    assert_ne!(one.event_id(), letter("o-1", "other", 0).event_id());
}

#[test]
fn a_callback_held_back_goes_behind_a_later_one_of_its_order() {
    let (mut mail, plain) = (Mail::default(), Knobs::default());
    let knobs = Knobs {
        reorder_rate: 1.0,
        ..Knobs::default()
    };
    mail.post(letter("o-1", "held", 5), seconds(5), &knobs);
    for (order, kind, at) in [
        ("o-1", "before", 4),
        ("o-2", "stranger", 5),
        ("o-1", "after", 6),
    ] {
        mail.post(letter(order, kind, at), seconds(at), &plain);
    }
    let mut seen = Vec::new();
    for now in (4..=6).map(seconds) {
        while let Some(letter) = mail.take(now, &plain) {
            seen.push(letter.kind);
            mail.sent(&letter, now);
        }
    }
    assert_eq!(seen, ["before", "stranger", "after", "held"]);
    assert!(
        mail.back.is_empty(),
        "nothing is remembered of what is gone"
    );
}

#[test]
fn a_callback_held_back_behind_nothing_goes_after_two_seconds() {
    let mut mail = Mail::default();
    let knobs = Knobs {
        reorder_rate: 1.0,
        ..Knobs::default()
    };
    mail.post(letter("o-1", "held", 0), seconds(0), &knobs);
    assert_eq!(mail.next_due(), Some(BACK_MAX));
    assert_eq!(kinds(&mut mail, BACK_MAX, &knobs), ["held"]);
    assert!(
        mail.back.is_empty(),
        "nothing is remembered of what is gone"
    );
}

#[test]
fn a_service_that_is_down_calls_nobody_until_it_is_up() {
    let (mut mail, up) = (Mail::default(), Knobs::default());
    let down = Knobs {
        down: [Service::Delivery].into(),
        ..Knobs::default()
    };
    mail.post(letter("o-1", "told", 0), seconds(0), &up);
    assert!(mail.take(seconds(1), &down).is_none());
    assert_eq!(mail.next_due(), Some(seconds(1) + DOWN_LOOK));
    assert_eq!(kinds(&mut mail, seconds(2), &up), ["told"]);
}

#[test]
fn what_has_not_happened_can_be_retracted_and_what_has_cannot() {
    let (mut mail, knobs) = (Mail::default(), Knobs::default());
    for (order, kind, at) in [
        ("o-1", "happened", 1),
        ("o-1", "future", 3),
        ("o-2", "other", 3),
    ] {
        mail.post(letter(order, kind, at), seconds(at), &knobs);
    }
    mail.retract("dl-o-1", seconds(2));
    assert_eq!(kinds(&mut mail, seconds(9), &knobs), ["happened", "other"]);
}

#[test]
fn more_than_fits_is_lost_and_not_kept() {
    let (mut mail, knobs) = (Mail::default(), Knobs::default());
    let one = letter("o-1", "told", 0);
    for _ in 0..=LETTERS_MAX {
        mail.post(one.clone(), seconds(0), &knobs);
    }
    assert_eq!(mail.waiting.len(), LETTERS_MAX);
}
