//! A lone order behind a long outage goes on within two seconds of its end, whatever its next try's
//! delay was; and the provider in trouble is asked once a second at most.

use crate::bank::{Effect, Mood};
use crate::conformance::orders::take;
use crate::conformance::world::ask;
use crate::play::{Play, Saga};
use evenkeel_engine::OrderMode;
use evenkeel_rules::order::Status;
use evenkeel_rules::saga::State;

/// Five minutes: delays have grown to their cap by then.
const OUTAGE_S: usize = 300;
/// What a recovery may take, in steps as often as the runner looks.
const STEP_MS: u64 = 50;
const STEPS: usize = 40;

/// An order behind a provider that has not answered for five minutes, and the calls made meanwhile.
async fn behind(mode: OrderMode, effect: Effect) -> (Play, usize) {
    let play = Play::shop(mode, Saga::Order).await;
    play.bank.set_mood(effect, Mood::Silent);
    let order = ask(take("o-1", &[("lamp", 2)], None));
    play.life.engine.execute(order).await.expect("taken");
    play.still().await;
    for _ in 0..OUTAGE_S {
        play.pass(1_000).await;
    }
    let calls = play.bank.calls();
    (play, calls)
}

async fn state(play: &Play) -> (Status, State) {
    let body = play.row().await.expect("taken").body;
    (body.status, body.saga.state)
}

/// Whether the order's saga is over within two seconds.
async fn recovers(play: &Play) -> bool {
    for _ in 0..STEPS {
        play.pass(STEP_MS).await;
        if state(play).await == (Status::Confirmed, State::Completed) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_lone_order_goes_on_within_two_seconds_of_an_outages_end() {
    for mode in OrderMode::ALL {
        for effect in [Effect::Charge, Effect::Deliver] {
            let (play, calls) = behind(mode, effect).await;
            assert!(
                (20..=OUTAGE_S + 20).contains(&calls),
                "{mode:?} {effect:?}: {calls}"
            );
            play.bank.set_mood(effect, Mood::Done);
            assert!(
                recovers(&play).await,
                "{mode:?} {effect:?}: {:?}",
                play.row().await
            );
            play.life.engine.stop().await;
        }
    }
}

#[tokio::test]
async fn a_lone_order_goes_on_within_two_seconds_of_a_restart() {
    for mode in OrderMode::ALL {
        for effect in [Effect::Charge, Effect::Deliver] {
            let (mut play, _) = behind(mode, effect).await;
            play.bank.set_mood(effect, Mood::Done);
            play.restart_as(0).await;
            assert!(
                recovers(&play).await,
                "{mode:?} {effect:?}: {:?}",
                play.row().await
            );
            play.life.engine.stop().await;
        }
    }
}
