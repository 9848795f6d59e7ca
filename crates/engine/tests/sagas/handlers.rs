//! The handlers of the choreographed mode: whose calls they are, and what they never do.

use crate::conformance::orders::take;
use crate::conformance::world::ask;
use crate::play::{Play, Saga};
use evenkeel_engine::chain::{Entry, link, origin};
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::port::Store;
use evenkeel_engine::verify::{Inputs, Invariant, Outcome, verify};
use evenkeel_engine::{OrderMode, Request};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::order::{Handler, Status};
use evenkeel_rules::subscription::Act;

async fn shop() -> Play {
    Play::shop(OrderMode::Choreographed, Saga::Order).await
}

fn ordered() -> Request {
    ask(take("o-1", &[("lamp", 2)], None))
}

async fn act(play: &Play, handler: Handler, act: Act) {
    let change = Command::Subscription(Subscribing::Change {
        id: SubscriptionId::new(handler.name()).expect("a well-formed id"),
        act,
        private: String::new(),
        lease: None,
    });
    let done = play.life.engine.execute(ask(change)).await;
    done.expect("a person may do that");
    play.still().await;
}

async fn take_one(play: &Play) {
    let done = play.life.engine.execute(ordered()).await;
    done.expect("taken");
    play.still().await;
}

/// Five minutes, in steps as small as the loops'.
async fn wait(play: &Play) {
    for _ in 0..300 {
        play.step(1_000).await;
    }
}

async fn status(play: &Play) -> Status {
    play.row().await.expect("taken").body.status
}

#[tokio::test]
async fn an_orders_first_calls_are_its_handlers_and_made_at_once() {
    let play = shop().await;
    take_one(&play).await;
    assert_eq!(status(&play).await, Status::Confirmed, "no time has passed");
    let rows = play.tables.log(1, 1_000).await.expect("readable").rows;
    let entries = rows
        .iter()
        .map(|row| Entry::read(&row.text).expect("readable"));
    let answers = [Kind::PaymentCompleted, Kind::DeliveryInitiated];
    let mut found = 0;
    for entry in entries {
        let answered = |kind: &Kind| entry.events.iter().any(|event| event.kind == *kind);
        let count = answers.iter().filter(|kind| answered(kind)).count();
        if count > 0 {
            assert_eq!(entry.cause.kind, "handler", "{entry:?}");
            assert!(entry.cause.lease.is_some(), "{entry:?}");
            found += count;
        }
    }
    assert_eq!((found, play.bank.calls()), (2, 2));
    play.life.engine.stop().await;
    let report = verify(&play.tables, Inputs::default()).await;
    let report = report.expect("the store answers");
    assert!(report.ok, "{:#?}", report.findings().collect::<Vec<_>>());
}

#[tokio::test]
async fn nobody_makes_a_handlers_call_while_it_is_paused() {
    let play = shop().await;
    act(&play, Handler::Charge, Act::Pause).await;
    take_one(&play).await;
    wait(&play).await;
    assert_eq!(
        (play.bank.calls(), status(&play).await),
        (0, Status::Pending)
    );
    act(&play, Handler::Charge, Act::Resume).await;
    wait(&play).await;
    assert_eq!(status(&play).await, Status::Confirmed);
    play.life.engine.stop().await;
}

#[tokio::test]
async fn an_event_that_is_read_again_is_not_answered_again() {
    let play = shop().await;
    take_one(&play).await;
    let calls = play.bank.calls();
    for handler in Handler::ALL {
        act(&play, handler, Act::Replay { from: 1 }).await;
    }
    // Not so long that the parcel is asked after.
    play.clock.advance(200);
    play.still().await;
    assert_eq!(play.bank.calls(), calls);
    let head = play.tables.head().await.expect("readable").position;
    for handler in Handler::ALL {
        let id = SubscriptionId::new(handler.name()).expect("a well-formed id");
        let row = play.tables.subscription(&id).await.expect("readable").rows;
        let progress = row.expect("it was made").progress;
        assert_eq!(progress.checkpoint, head, "{handler:?} has read it all");
    }
    play.life.engine.stop().await;
}

#[tokio::test]
async fn orders_go_on_when_a_handler_was_ended() {
    let play = shop().await;
    act(&play, Handler::Charge, Act::Delete).await;
    take_one(&play).await;
    assert_eq!(play.bank.calls(), 0, "its due time has not come");
    wait(&play).await;
    assert_eq!(status(&play).await, Status::Confirmed);
    play.life.engine.stop().await;
}

/// Writes the rows of handlers anew, as somebody would who had the whole log in his hands; what
/// `verify` says of tokens then.
async fn told_of_tokens(play: &Play, rewrite: impl Fn(String) -> String) -> Outcome {
    play.tables.edit(|tables| {
        let mut hash = origin(&tables.head.log, &tables.head.salt);
        for row in &mut tables.log {
            let text = String::from_utf8(row.text.clone()).expect("a text is text");
            if text.contains("\"kind\":\"handler\"") {
                row.text = rewrite(text).into_bytes();
            }
            row.hash = link(&hash, &row.text);
            hash = row.hash;
        }
        tables.head.hash = hash;
    });
    let report = verify(&play.tables, Inputs::default()).await;
    let report = report.expect("the store answers");
    report.check(Invariant::I12).result
}

#[tokio::test]
async fn what_a_handler_wrote_under_no_token_is_named() {
    let play = shop().await;
    take_one(&play).await;
    play.life.engine.stop().await;
    assert_eq!(told_of_tokens(&play, |text| text).await, Outcome::Held);
    let without = |text: String| {
        let (before, after) = text.split_once(",\"lease\":").expect("it has one");
        let (_, after) = after.split_once('}').expect("a cause ends");
        format!("{before}}}{after}")
    };
    assert_ne!(told_of_tokens(&play, without).await, Outcome::Held);
}
